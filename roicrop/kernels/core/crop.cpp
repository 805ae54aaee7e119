// Hand out (group of boxes, share of channels) to the threads, with scratch to work in, and choose
// the passes for this processor.

#include "crop.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "block.hpp"
#include "parallel.hpp"
#include "shares.hpp"

namespace roicrop {
namespace {

constexpr std::int64_t values_a_thread = 1 << 18;  // less is quicker without one more thread
constexpr std::int64_t together_cells = 1 << 14;   // of slabs that are together: 1 MiB
constexpr int seams_at_once = 16;                  // that a thread closes

// Room that grows. Much of it lies in large pages, where the system has them: whether small ones find
// room in the caches beside one another is luck.
class Room {
public:
    char* of(std::int64_t bytes) {
        if (bytes > bytes_) {
            memory_.reset();
            bytes_ = 0;  // as long as the next line may throw
            const std::align_val_t alignment{std::size_t(bytes < large_page ? cell_bytes : large_page)};
            memory_ = {::operator new(std::size_t(bytes), alignment), Delete{alignment}};
            bytes_ = bytes;
#if defined(MADV_HUGEPAGE)
            if (bytes >= large_page) madvise(memory_.get(), std::size_t(bytes), MADV_HUGEPAGE);
#endif
        }
        return static_cast<char*>(memory_.get());
    }
    std::int64_t bytes() const { return bytes_; }

private:
    static constexpr std::int64_t large_page = 1 << 21;

    struct Delete {
        std::align_val_t alignment;
        void operator()(void* memory) const { ::operator delete(memory, alignment); }
    };
    std::unique_ptr<void, Delete> memory_{nullptr, Delete{std::align_val_t(cell_bytes)}};
    std::int64_t bytes_ = 0;
};

// It is kept from one call to the next: pages that the system clears anew cost more than the work in
// them. Of calls at the same time one finds it, and one leaves its own, unless that is too large.
struct Kept {
    Room scratch, lines;
};

class Borrowed {
public:
    Borrowed() : kept_(spare.exchange(nullptr)) {
        if (!kept_) kept_.reset(new Kept);
    }
    ~Borrowed() {
        if (kept_->scratch.bytes() + kept_->lines.bytes() <= scratch_bytes)
            delete spare.exchange(kept_.release());
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Kept* operator->() const { return kept_.get(); }

private:
    static inline std::atomic<Kept*> spare{nullptr};
    std::unique_ptr<Kept> kept_;
};

// Tiles are read and written a vector at a time, beyond their end where they are short.
template <class Sum>
std::int64_t tile_bytes(const Arguments& a, std::int64_t bins) {
    constexpr std::int64_t size = sizeof(Sum);
    return (bins + cell_bytes / size) * lanes_of(a) * size;
}

// How much of what one thread works in: see Task.
template <class Sum>
struct Sizes {
    int slabs;
    std::int64_t slab, strip, tile;

    Sizes(const Arguments& a, const Block<Sum>& block, int slabs_together)
        : slabs(slabs_together),
          slab(block.slab_cells() * cell_bytes),
          strip(block.strip_columns() * strip_column_bytes),
          tile(tile_bytes<Sum>(a, block.tile_bins())) {}

    std::int64_t all() const { return slabs * slab + strip + (slabs + 2) * tile; }

    void share_out(char* room, Task<Sum>& task) const {
        const auto take = [&](std::int64_t bytes) { return std::exchange(room, room + bytes); };
        task.together = slabs;
        task.slab_bytes = slab;
        task.tile_bytes = tile;
        task.slabs = take(slabs * slab);
        task.strip = reinterpret_cast<Sum*>(take(strip));
        task.tiles = take(slabs * tile);
        task.turned = take(tile);
        task.near = take(tile);
    }
};

// The tiles of units whose pieces come in more than one turn, slab by slab.
template <class Sum>
class Carried {
public:
    Carried(const Arguments& a, int slabs)
        : tile_(tile_bytes<Sum>(a, most_bins_carried(a))),
          slabs_(slabs) {}

    // Room for as many units as may be carried at once; lend_to is given its beginning.
    char* reserve() { return room_.of(Block<Sum>::most_carried * slabs_ * tile_); }
    void lend_to(Task<Sum>& task, char* first, int place, int slab) const {
        task.tiles = first + (std::int64_t(place) * slabs_ + slab) * tile_;
        task.tile_bytes = tile_;
        task.keeps_tiles = true;
    }

private:
    const std::int64_t tile_;
    const int slabs_;
    Room room_;
};

inline void run_passes(const Passes& passes, const Arguments& a, const Task<float>& task) {
    passes.single(a.element, a.convention.reduction, task);
}
inline void run_passes(const Passes& passes, const Arguments& a, const Task<double>& task) {
    passes.real64(a.element, a.convention.reduction, task);
}

// What waits in the runs of slabs of some groups, and how far they are: see Task.
template <class Sum>
class SeamLines {
public:
    SeamLines(const Shares& shares, const Group<Sum>* groups, std::size_t count)
        : runs_(shares.count()) {
        if (!shares.have_seams()) return;
        for (std::size_t g = 0; g < count; ++g)
            first_bin_.push_back(first_bin_.back() + groups[g].bins);
        heads_.assign(count * std::size_t(runs_), false);
        closed_ = heads_;
    }

    std::ptrdiff_t bytes() const { return 2 * to_tails(); }
    void lie_in(char* lines) { lines_ = lines; }

    void lend_to(Task<Sum>& task, std::size_t group, int run) {
        task.head = head(group, run);
        task.tail = tail(group, run);
        task.next_head = head(group, next(run));
        task.ends_bin = ends_bin(run);
        task.head_is_there = &heads_[flag(group, run)];
        task.next_head_is_there = &heads_[flag(group, next(run))];
        task.closed = &closed_[flag(group, run)];
    }

    char* head(std::size_t group, int run) const {
        return lines_ + (run * first_bin_.back() + first_bin_[group]) * cell_bytes;
    }
    char* tail(std::size_t group, int run) const { return head(group, run) + to_tails(); }
    int next(int run) const { return (run + 1) % runs_; }
    bool ends_bin(int run) const { return next(run) == 0; }
    bool is_closed(std::size_t group, int run) const { return closed_[flag(group, run)]; }

private:
    std::ptrdiff_t to_tails() const { return runs_ * first_bin_.back() * cell_bytes; }
    std::size_t flag(std::size_t group, int run) const {
        return group * std::size_t(runs_) + std::size_t(run);
    }

    const int runs_;
    std::vector<std::int64_t> first_bin_{0};  // of each group, and the end of the last
    std::vector<std::uint8_t> heads_, closed_;  // whether they are, by group and run
    char* lines_ = nullptr;                     // heads, run by run, then tails
};

// One call, block by block.
template <class Sum>
class Pooling {
public:
    Pooling(const Arguments& a, const Passes& passes)
        : a_(a),
          passes_(passes),
          in_(strides_in(a)),
          out_(strides_out(a)),
          shares_(a, in_, out_),
          block_(a, shares_.group_bins()),
          carried_(a, shares_.slabs()) {}

    void run() {
        while (block_.next()) pool_block();
    }

private:
    using Groups = std::vector<Group<Sum>>;

    void pool_block();
    int slabs_together() const;
    int threads_for(std::int64_t scratch) const;
    void pool_groups(const Sizes<Sum>& sizes, std::size_t from, std::size_t to);
    std::vector<Seam> open_seams(const SeamLines<Sum>& lines, std::size_t from,
                                 std::size_t to) const;
    void close_seams(const std::vector<Seam>& seams) const;

    const Arguments& a_;
    const Passes& passes_;
    const Strides in_, out_;
    const Shares shares_;
    Block<Sum> block_;
    Carried<Sum> carried_;
    Borrowed kept_;
    int threads_ = 1;
};

template <class Sum>
void Pooling<Sum>::pool_block() {
    const Sizes<Sum> sizes(a_, block_, slabs_together());
    threads_ = threads_for(sizes.all());
    const Groups& groups = block_.groups();
    if (!shares_.have_seams()) return pool_groups(sizes, 0, groups.size());
    const std::int64_t most = shares_.most_bins();
    for (std::size_t from = 0, to = 0; from < groups.size(); from = to) {
        std::int64_t bins = groups[to++].bins;
        while (to < groups.size() && bins + groups[to].bins <= most) bins += groups[to++].bins;
        pool_groups(sizes, from, to);
    }
}

// Slabs with seams are packed together as far as they stay in the second-level cache.
template <class Sum>
int Pooling<Sum>::slabs_together() const {
    if (!shares_.have_seams()) return 1;
    const std::int64_t room = together_cells / std::max<std::int64_t>(block_.slab_cells(), 1);
    return int(std::clamp<std::int64_t>(room, 1, most_together));
}

template <class Sum>
int Pooling<Sum>::threads_for(std::int64_t scratch) const {
    const std::int64_t values = block_.work() * a_.shape[1];
    const std::int64_t room = scratch_bytes - shares_.seam_bytes();
    const std::int64_t useful = std::min(1 + values / values_a_thread, room / scratch);
    return int(std::clamp<std::int64_t>(useful, 1, a_.threads));
}

template <class Sum>
void Pooling<Sum>::pool_groups(const Sizes<Sum>& sizes, std::size_t from, std::size_t to) {
    const Groups& groups = block_.groups();
    const int shares = shares_.count();
    SeamLines<Sum> lines(shares_, groups.data() + from, to - from);
    lines.lie_in(kept_->lines.of(lines.bytes()));
    char* const tiles = block_.carries() ? carried_.reserve() : nullptr;

    char* const scratch = kept_->scratch.of(threads_ * sizes.all());
    const std::int64_t all = std::int64_t(to - from) * shares;
    std::atomic<std::int64_t> next{0};
    in_parallel(threads_, [&](int thread) {
        Task<Sum> own{};
        own.in = in_;
        own.out = out_;
        own.number = a_.number;
        own.maximum_start = a_.convention.maximum_start;
        own.empty_value = a_.convention.empty_value;
        own.streams = streams(a_);
        sizes.share_out(scratch + thread * sizes.all(), own);
        for (std::int64_t i = next++; i < all; i = next++) {
            const std::size_t g = std::size_t(i / shares);
            const Group<Sum>& group = groups[from + g];
            const int share = int(i % shares);
            Task<Sum> task = own;
            task.pieces = group.pieces;
            task.count = group.count;
            shares_.choose(task, share);
            if (group.carried >= 0)
                carried_.lend_to(task, tiles, group.carried, shares_.first_slab(share));
            if (shares_.have_seams()) lines.lend_to(task, g, share);
            run_passes(passes_, a_, task);
        }
    });
    if (shares_.have_seams()) close_seams(open_seams(lines, from, to));
}

// The boxes whose last pieces are in a group.
template <class Sum, class Take>
void for_each_ended(const Group<Sum>& group, Take take) {
    for (const auto* piece = group.pieces; piece < group.pieces + group.count; ++piece)
        for (const auto* box = piece->boxes; box < piece->boxes + piece->count; ++box)
            if (box->ends) take(*box);
}

// Those that no run closed: it did not find the next one's head, or is of one slab.
template <class Sum>
std::vector<Seam> Pooling<Sum>::open_seams(const SeamLines<Sum>& lines, std::size_t from,
                                           std::size_t to) const {
    std::vector<Seam> seams;
    for (std::size_t g = 0; g < to - from; ++g)
        for (int run = 0; run < shares_.count(); ++run) {
            if (lines.is_closed(g, run)) continue;
            const char* const tail =
                shares_.is_one_slab(run) ? lines.head(g, run) : lines.tail(g, run);
            const char* const head = lines.head(g, lines.next(run));
            for_each_ended(block_.groups()[from + g], [&](const Box<Sum>& box) {
                const std::ptrdiff_t first = box.first_bin * cell_bytes;
                seams.push_back({box.out, box.y.bins, box.x.bins, out_.y, out_.x,
                                 shares_.end_of_run(run), lines.ends_bin(run), tail + first,
                                 head + first});
            });
        }
    return seams;
}

template <class Sum>
void Pooling<Sum>::close_seams(const std::vector<Seam>& seams) const {
    if (seams.empty()) return;
    const int count = int(seams.size());
    std::atomic<int> next{0};
    in_parallel(threads_, [&](int) {
        for (int i = next.fetch_add(seams_at_once); i < count; i = next.fetch_add(seams_at_once))
            passes_.close_seams(seams.data() + i, std::min(seams_at_once, count - i));
    });
}

}  // namespace

void crop(const Arguments& arguments, const Passes& passes) {
    if (arguments.element == Element::real64)
        Pooling<double>(arguments, passes).run();
    else
        Pooling<float>(arguments, passes).run();
}

template <class Sum>
AxisPlan<Sum> plan_axis(const Arguments& arguments, int axis) {
    BoxPlanner<Sum> planner(arguments);
    AxisPlan<Sum> plan;
    for (std::int64_t box = 0; box < arguments.count; ++box) {
        const auto [y, x] = planner.rois(box);
        axis == 0 ? planner.y.append(plan, y) : planner.x.append(plan, x);
    }
    return plan;
}
template AxisPlan<float> plan_axis(const Arguments&, int);
template AxisPlan<double> plan_axis(const Arguments&, int);

#if defined(__x86_64__)
// Not every compiler's __builtin_cpu_supports knows it.
static bool has_f16c() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

const char* best_level() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2") && has_f16c();
    const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    if (v3 && v4) return "avx512";
    if (v3) return "avx2";
#endif
    return "baseline";
}

const Passes* passes_for(const char* level) {
    const auto is = [level](const char* name) { return std::strcmp(level, name) == 0; };
    if (is("baseline")) return &baseline::passes;
#if defined(__x86_64__)
    const auto has = [](const char* name) { return std::strcmp(best_level(), name) == 0; };
    if (is("avx2") && (has("avx2") || has("avx512"))) return &avx2::passes;
    if (is("avx512") && has("avx512")) return &avx512::passes;
#endif
    return nullptr;
}

}  // namespace roicrop
