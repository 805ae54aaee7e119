// Hand out (group of boxes, slab of channels) to the threads, and choose the passes for this
// processor.

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

// Room that grows, and stays for the next block.
class Room {
public:
    char* of(std::int64_t bytes) {
        if (bytes > bytes_) {
            memory_.reset();
            memory_.reset(::operator new(std::size_t(bytes), std::align_val_t(cell_bytes)));
            bytes_ = bytes;
        }
        return static_cast<char*>(memory_.get());
    }

private:
    struct Delete {
        void operator()(void* memory) const {
            ::operator delete(memory, std::align_val_t(cell_bytes));
        }
    };
    std::unique_ptr<void, Delete> memory_;
    std::int64_t bytes_ = 0;
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

    std::int64_t all() const { return slabs * slab + strip + (2 + slabs) * tile; }

    // To each its slab, and to all of them, which run one after the other, the rest. Returns room for
    // the tiles of all.
    char* share_out(char* from, Task<Sum>* tasks) const {
        char* const rest = from + slabs * slab;
        for (int i = 0; i < slabs; ++i) {
            tasks[i].slab = from + i * slab;
            tasks[i].strip = reinterpret_cast<Sum*>(rest);
            tasks[i].tile = reinterpret_cast<Sum*>(rest + strip);
            tasks[i].turned = rest + strip + tile;
        }
        return rest + strip + 2 * tile;
    }
};

// The tiles of boxes whose pieces come in more than one turn, slab by slab.
template <class Sum>
class Carried {
public:
    Carried(const Arguments& a, int slabs)
        : tile_(tile_bytes<Sum>(a, rows_of_large_units(a) * std::int64_t(a.bins_x))),
          slabs_(slabs) {}

    // `first` of them all: the room for as many boxes as may be carried at once.
    char* reserve() { return room_.of(Block<Sum>::most_carried * slabs_ * tile_); }
    Sum* tile(char* first, int place, int slab) const {
        return reinterpret_cast<Sum*>(first + (std::int64_t(place) * slabs_ + slab) * tile_);
    }

private:
    const std::int64_t tile_;
    const int slabs_;
    Room room_;
};

inline void run_passes(const Passes& passes, const Arguments& a, Tasks<float> tasks) {
    passes.single(a.element, a.convention.reduction, tasks);
}
inline void run_passes(const Passes& passes, const Arguments& a, Tasks<double> tasks) {
    passes.real64(a.element, a.convention.reduction, tasks);
}

template <class Sum>
int workers(const Arguments& a, const Block<Sum>& block, std::int64_t scratch) {
    const std::int64_t values = block.work() * a.shape[1];
    const std::int64_t useful = std::min(1 + values / values_a_thread, scratch_bytes / scratch);
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
bool fills_lines(const Strides& out) {
    return out.y % cell_bytes == 0 && out.x % cell_bytes == 0;
}

// From cells to cells, how many channels come before the first that begins a cache line of the
// output. A slab that begins there writes whole lines.
int channels_before_a_line(const Arguments& a, const Strides& in, const Strides& out) {
    if (in.layout != Layout::cells || out.layout != Layout::cells || !fills_lines(out)) return 0;
    const auto bytes = std::ptrdiff_t(-reinterpret_cast<std::uintptr_t>(a.out) % cell_bytes);
    return int(bytes / element_bytes(a.element));
}

// Slabs that cannot write whole cache lines do so with their neighbours, while the lines are near.
template <class Sum>
int slabs_together(const Arguments& a, const Strides& out, const Block<Sum>& block, int slabs) {
    if (out.layout != Layout::cells || fills_lines(out)) return 1;
    const std::int64_t room = packed_cells / std::max<std::int64_t>(block.slab_cells(), 1);
    const std::int64_t fair = std::int64_t(block.groups().size()) * slabs / a.threads;
    return int(std::clamp<std::int64_t>(std::min(room, fair), 1, most_together));
}

// How the channels are shared out: slab 0 takes the `lead` channels and, where they fit beside them,
// the last that do not fill a slab.
struct Slabs {
    int lanes, channels, lead, rest, count;

    Slabs(int lanes_of_cell, int all, int first)
        : lanes(lanes_of_cell),
          channels(all),
          lead(std::min(first, all)),
          rest((all - lead) % lanes) {
        if (lead == 0 || lead + rest > lanes) rest = 0;
        count = (lead > 0) + (channels - lead - rest + lanes - 1) / lanes;
    }

    template <class Sum>
    void choose(Task<Sum>& task, int slab) const {
        const bool leads = lead > 0 && slab == 0;
        task.first_channel = leads ? 0 : lead + (slab - (lead > 0)) * lanes;
        task.channels = leads ? lead : std::min(lanes, channels - rest - task.first_channel);
        task.more_first = leads ? channels - rest : task.first_channel;
        task.more_channels = leads ? rest : 0;
    }
};

template <class Sum>
void pool(const Arguments& a, const Block<Sum>& block, const Passes& passes,
          const Slabs& slabs, std::vector<Room>& scratch, Carried<Sum>& carried) {
    const Strides in = strides_in(a), out = strides_out(a);
    const int together = slabs_together(a, out, block, slabs.count);
    const std::int64_t shares = (slabs.count + together - 1) / together;
    const std::int64_t all = std::int64_t(block.groups().size()) * shares;
    const Sizes<Sum> sizes(a, block, together);
    const int threads = workers<Sum>(a, block, sizes.all());
    if (scratch.size() < std::size_t(threads)) scratch.resize(std::size_t(threads));

    char* const tiles = block.carries() ? carried.reserve() : nullptr;
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
        char* const room = scratch[std::size_t(thread)].of(sizes.all());
        char* const line = sizes.share_out(room, own);
        for (std::int64_t i = next++; i < all; i = next++) {
            const Group<Sum>& group = block.groups()[std::size_t(i / shares)];
            const int first = int(i % shares) * together;
            const int count = std::min(together, slabs.count - first);
            std::copy_n(own, count, tasks);
            for (int j = 0; j < count; ++j) {
                tasks[j].pieces = group.pieces;
                tasks[j].count = group.count;
                slabs.choose(tasks[j], first + j);
                if (group.carried >= 0)
                    tasks[j].tile = carried.tile(tiles, group.carried, first + j);
            }
            run_passes(passes, a, Tasks<Sum>{tasks, count, line});
        }
    });
}

template <class Sum>
void crop_as(const Arguments& a, const Passes& passes) {
    Block<Sum> block(a);
    std::vector<Room> scratch;
    const Slabs slabs(lanes_of(a), int(a.shape[1]),
                      channels_before_a_line(a, strides_in(a), strides_out(a)));
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
