// Hand out (group of boxes, sixteen channels) to the threads, and choose the passes for this processor.

#include "crop.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "block.hpp"
#include "parallel.hpp"

namespace roicrop {
namespace {

constexpr std::int64_t streamed_bytes = 8 << 20;   // an output from which caches are left out
constexpr std::int64_t values_a_thread = 1 << 18;  // less is quicker without one more thread
constexpr int most_together = 8;                   // slabs that one thread pools in turns

std::ptrdiff_t element_bytes(Element element) {
    if (element == Element::half) return sizeof(half);
    return element == Element::single ? sizeof(float) : sizeof(double);
}

// Room that grows, and stays for the next block.
template <class Sum>
class Room {
public:
    Sum* of(std::int64_t cells) {
        const std::size_t size = std::size_t(cells) * cell_bytes;
        if (size > size_) {
            memory_.reset();
            memory_.reset(::operator new(size, std::align_val_t(cell_bytes)));
            size_ = size;
        }
        return static_cast<Sum*>(memory_.get());
    }

private:
    struct Delete {
        void operator()(void* memory) const {
            ::operator delete(memory, std::align_val_t(cell_bytes));
        }
    };
    std::unique_ptr<void, Delete> memory_;
    std::size_t size_ = 0;
};

// Tiles are read and written a vector at a time, beyond their end where they are short.
template <class Sum>
std::int64_t cells_of_tile(std::int64_t bins) {
    return bins + lanes<Sum>;
}

// What one thread works in: see Task.
template <class Sum>
class Scratch {
public:
    static std::int64_t cells(const Block<Sum>& block, int slabs) {
        return slabs * block.slab_cells() + strip_cells(block) + (2 + slabs) * tile_cells(block);
    }

    // To each its slab, and to all of them, which run one after the other, the rest. Returns room for
    // the tiles of all.
    char* lend_to(Task<Sum>* tasks, int slabs, const Block<Sum>& block) {
        Sum* const first = room_.of(cells(block, slabs));
        for (int i = 0; i < slabs; ++i) {
            tasks[i].slab = first + i * block.slab_cells() * lanes<Sum>;
            tasks[i].strip = first + slabs * block.slab_cells() * lanes<Sum>;
            tasks[i].tile = tasks[i].strip + strip_cells(block) * lanes<Sum>;
            tasks[i].turned = tasks[i].tile + tile_cells(block) * lanes<Sum>;
        }
        return reinterpret_cast<char*>(tasks->turned + tile_cells(block) * lanes<Sum>);
    }

private:
    static std::int64_t strip_cells(const Block<Sum>& block) {
        return block.strip_columns() * rows_together_at_most;
    }
    static std::int64_t tile_cells(const Block<Sum>& block) {
        return cells_of_tile<Sum>(block.tile_bins());
    }

    Room<Sum> room_;
};

// The tiles of boxes whose pieces come in more than one turn, slab by slab.
template <class Sum>
class Carried {
public:
    Carried(const Arguments& a, int slabs)
        : cells_(cells_of_tile<Sum>(rows_of_large_units<Sum>(a) * std::int64_t(a.bins_x))),
          slabs_(slabs) {}

    // `first` of them all: the room for as many boxes as may be carried at once.
    Sum* reserve() { return room_.of(Block<Sum>::most_carried * slabs_ * cells_); }
    Sum* tile(Sum* first, int place, int slab) const {
        return first + (std::int64_t(place) * slabs_ + slab) * cells_ * lanes<Sum>;
    }

private:
    const std::int64_t cells_;
    const int slabs_;
    Room<Sum> room_;
};

inline void run_passes(const Passes& passes, const Arguments& a, Tasks<float> tasks) {
    passes.single(a.element, a.convention.reduction, tasks);
}
inline void run_passes(const Passes& passes, const Arguments& a, Tasks<double> tasks) {
    passes.real64(a.element, a.convention.reduction, tasks);
}

template <class Sum>
int workers(const Arguments& a, const Block<Sum>& block, std::int64_t scratch_cells) {
    const std::int64_t values = block.work() * a.shape[1];
    const std::int64_t useful =
        std::min(1 + values / values_a_thread, scratch_bytes / cell_bytes / scratch_cells);
    return int(std::clamp<std::int64_t>(useful, 1, a.threads));
}

Strides strides_in(const Arguments& a) {
    const std::ptrdiff_t size = element_bytes(a.element), *by = a.strides;
    return {by[1], by[2], by[3],
            by[3] == size   ? Layout::planes
            : by[1] == size ? Layout::cells
                            : Layout::scattered};
}

Strides strides_out(const Arguments& a) {
    const std::ptrdiff_t size = element_bytes(a.element), *by = a.out_strides;
    return {by[1], by[2], by[3],
            by[3] == size && by[2] == a.bins_x * size ? Layout::planes
            : by[1] == size                           ? Layout::cells
                                                      : Layout::scattered};
}

// Whether bins begin as far from a cache line as one another, and a slab can fill one.
bool fills_lines(const Arguments& a, const Strides& out) {
    return a.element != Element::half && out.y % cell_bytes == 0 && out.x % cell_bytes == 0;
}

// From cells to cells, how many channels come before the first that begins a cache line of the
// output. A slab that begins there writes whole lines.
template <class Sum>
int channels_before_a_line(const Arguments& a, const Strides& in, const Strides& out) {
    if (in.layout != Layout::cells || out.layout != Layout::cells || !fills_lines(a, out)) return 0;
    return int(-reinterpret_cast<std::uintptr_t>(a.out) % cell_bytes / sizeof(Sum));
}

// Slabs that cannot write whole cache lines do so with their neighbours, while the lines are near.
template <class Sum>
int slabs_together(const Arguments& a, const Strides& out, const Block<Sum>& block, int slabs) {
    if (out.layout != Layout::cells || fills_lines(a, out)) return 1;
    const std::int64_t room = packed_cells / std::max<std::int64_t>(block.slab_cells(), 1);
    const std::int64_t fair = std::int64_t(block.groups().size()) * slabs / a.threads;
    return int(std::clamp<std::int64_t>(std::min(room, fair), 1, most_together));
}

// How the channels are shared out: slab 0 takes the `lead` channels and, where they fit beside them,
// the last that do not fill a slab.
template <class Sum>
struct Slabs {
    int channels, lead, rest, count;

    Slabs(int all, int first)
        : channels(all), lead(std::min(first, all)), rest((all - lead) % lanes<Sum>) {
        if (lead == 0 || lead + rest > lanes<Sum>) rest = 0;
        count = (lead > 0) + (channels - lead - rest + lanes<Sum> - 1) / lanes<Sum>;
    }

    void choose(Task<Sum>& task, int slab) const {
        const bool leads = lead > 0 && slab == 0;
        task.first_channel = leads ? 0 : lead + (slab - (lead > 0)) * lanes<Sum>;
        task.channels = leads ? lead : std::min(lanes<Sum>, channels - rest - task.first_channel);
        task.more_first = leads ? channels - rest : task.first_channel;
        task.more_channels = leads ? rest : 0;
    }
};

template <class Sum>
void pool(const Arguments& a, const Block<Sum>& block, const Passes& passes,
          const Slabs<Sum>& slabs, std::vector<Scratch<Sum>>& scratch, Carried<Sum>& carried) {
    const Strides in = strides_in(a), out = strides_out(a);
    const int together = slabs_together(a, out, block, slabs.count);
    const std::int64_t shares = (slabs.count + together - 1) / together;
    const std::int64_t all = std::int64_t(block.groups().size()) * shares;
    const int threads = workers<Sum>(a, block, Scratch<Sum>::cells(block, together));
    if (scratch.size() < std::size_t(threads)) scratch.resize(std::size_t(threads));

    Sum* const tiles = block.carries() ? carried.reserve() : nullptr;
    Task<Sum> same{};
    same.in = in;
    same.out = out;
    same.maximum_start = a.convention.maximum_start;
    same.empty_value = a.convention.empty_value;
    same.streams = a.count * a.out_strides[0] >= streamed_bytes;
    std::atomic<std::int64_t> next{0};
    in_parallel(threads, [&](int thread) {
        Task<Sum> own[most_together], tasks[most_together];
        std::fill_n(own, together, same);
        char* const line = scratch[std::size_t(thread)].lend_to(own, together, block);
        for (std::int64_t i = next++; i < all; i = next++) {
            const Group<Sum>& group = block.groups()[std::size_t(i / shares)];
            const int first = int(i % shares) * together;
            const int count = std::min(together, slabs.count - first);
            std::copy_n(own, count, tasks);
            for (int j = 0; j < count; ++j) {
                tasks[j].pieces = group.pieces;
                tasks[j].count = group.count;
                slabs.choose(tasks[j], first + j);
                if (group.carried >= 0) tasks[j].tile = carried.tile(tiles, group.carried, first + j);
            }
            run_passes(passes, a, Tasks<Sum>{tasks, count, line});
        }
    });
}

template <class Sum>
void crop_as(const Arguments& a, const Passes& passes) {
    Block<Sum> block(a);
    std::vector<Scratch<Sum>> scratch;
    const Slabs<Sum> slabs(
        int(a.shape[1]), channels_before_a_line<Sum>(a, strides_in(a), strides_out(a)));
    Carried<Sum> carried(a, slabs.count);
    while (block.next()) pool(a, block, passes, slabs, scratch, carried);
}

}  // namespace

void crop(const Arguments& arguments, const Passes& passes) {
    if (arguments.element == Element::real64)
        crop_as<double>(arguments, passes);
    else
        crop_as<float>(arguments, passes);
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
