// Hand out (region, channels) to the threads, with scratch to work in, and choose the kernel for this
// processor.

#include "crop.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "batch.hpp"
#include "parallel.hpp"

namespace roicrop {
namespace {

constexpr std::int64_t streamed_bytes = 8 << 20;      // an output from which caches are left out
constexpr std::int64_t values_a_thread = 1 << 18;     // less is quicker without one more thread
constexpr std::int64_t row_buffer_bytes = 8 * line_bytes;  // of a column
constexpr std::int64_t chunk_bytes = 8 * line_bytes;  // of a cell: what the kernel takes at once

inline void run_kernel(const Kernel& kernel, const Arguments& a, const Task<float>& task) {
    kernel.single(a.element, a.convention.reduction, task);
}
inline void run_kernel(const Kernel& kernel, const Arguments& a, const Task<double>& task) {
    kernel.real64(a.element, a.convention.reduction, task);
}

class Scratch {
public:
    // Aligned by hand: C libraries lose memory between blocks of an alignment of their own.
    explicit Scratch(std::int64_t bytes) : memory_(new char[std::size_t(bytes + line_bytes)]) {}
    char* at(std::int64_t bytes) const {
        const auto start = reinterpret_cast<std::uintptr_t>(memory_.get()) + line_bytes - 1;
        return reinterpret_cast<char*>(start / line_bytes * line_bytes) + bytes;
    }

private:
    const std::unique_ptr<char[]> memory_;
};

std::int64_t in_lines(std::int64_t bytes) { return (bytes + line_bytes - 1) / line_bytes * line_bytes; }

// One call, batch by batch.
template <class Sum>
class Cropping {
public:
    Cropping(const Arguments& a, const Kernel& kernel)
        : a_(a),
          kernel_(kernel),
          size_(element_bytes(a.element)),
          out_cells_(a.out_strides[3] != size_ && a.out_strides[1] == size_),
          packs_(!(out_cells_ && a.strides[3] != size_ && a.strides[1] == size_ &&
                   a.number.kind == 'f' && a.number.bytes == size_ && !a.number.swapped)),
          batch_(a, packs_) {}

    void run() {
        while (batch_.next()) pool_batch();
    }

private:
    void pool_batch() {
        const auto& regions = batch_.regions();
        const std::int64_t each = std::min(channels_of_task(std::int64_t(regions.size())),
                                           std::max<std::int64_t>(a_.shape[1], line_bytes / size_));
        const std::int64_t blocks = (a_.shape[1] + each - 1) / each;
        const std::int64_t bins =
            out_cells_ ? std::min<std::int64_t>(batch_.unit_rows(), most_rows) * a_.bins_x : batch_.tile_bins();
        const std::int64_t panel = batch_.panel_bytes();
        const std::int64_t buffers = batch_.columns() * row_buffer_bytes;
        // Vectors go past the end of what is short.
        const std::int64_t tile = in_lines((bins + line_bytes / sizeof(Sum)) * each * sizeof(Sum) + line_bytes);
        const std::int64_t all = panel + buffers + 2 * tile;
        const std::int64_t useful =
            std::min(1 + batch_.work() * a_.shape[1] / values_a_thread, scratch_bytes / all);
        const int threads = int(std::clamp<std::int64_t>(useful, 1, a_.threads));
        const Scratch scratch(threads * all);
        const std::int64_t tasks = std::int64_t(regions.size()) * blocks;
        std::atomic<std::int64_t> next{0};
        in_parallel(threads, [&](int thread) {
            Task<Sum> task{};
            task.in = {a_.strides[1], a_.strides[2], a_.strides[3]};
            task.out = {a_.out_strides[1], a_.out_strides[2], a_.out_strides[3]};
            task.number = a_.number;
            task.packs = packs_;
            task.out_cells = out_cells_;
            task.streams = a_.count * a_.out_strides[0] >= streamed_bytes;
            task.maximum_start = a_.convention.maximum_start;
            task.void_value = a_.convention.void_value;
            task.panel = scratch.at(thread * all);
            task.row_buffer = task.panel + panel;
            task.tile = task.row_buffer + buffers;
            task.staged = task.tile + tile;
            for (std::int64_t i = next++; i < tasks; i = next++) {
                task.region = &regions[std::size_t(i / blocks)];
                task.first_channel = int(i % blocks * each);
                task.channels = int(std::min(each, a_.shape[1] - task.first_channel));
                run_kernel(kernel_, a_, task);
            }
        });
    }

    // A cache line of a panel; of cells that are read where they are all, or what gives each thread some.
    std::int64_t channels_of_task(std::int64_t regions) const {
        if (packs_) return line_bytes / size_;
        const std::int64_t chunk = chunk_bytes / size_, chunks = (a_.shape[1] + chunk - 1) / chunk;
        const std::int64_t enough = (4 * a_.threads + regions - 1) / regions;
        const std::int64_t blocks = a_.threads == 1 ? 1 : std::clamp<std::int64_t>(enough, 1, chunks);
        return (chunks + blocks - 1) / blocks * chunk;
    }

    const Arguments& a_;
    const Kernel& kernel_;
    const std::ptrdiff_t size_;
    const bool out_cells_, packs_;
    Batch<Sum> batch_;
};

}  // namespace

void crop(const Arguments& arguments, const Kernel& kernel) {
    if (arguments.turned || arguments.own_channels) return crop_sparse(arguments, kernel);
    if (arguments.element == Element::real64)
        Cropping<double>(arguments, kernel).run();
    else
        Cropping<float>(arguments, kernel).run();
}

template <class Sum>
AxisPlan<Sum> plan_axis(const Arguments& arguments, int axis) {
    auto planner = box_planner<Sum>(arguments);
    AxisPlan<Sum> plan;
    for (std::int64_t box = 0; box < arguments.count; ++box)
        planner.append(axis == 0 ? &plan : nullptr, axis == 0 ? nullptr : &plan,
                       static_cast<const Sum*>(arguments.boxes) + box * 4);
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

const Kernel* kernel_for(const char* level) {
    const auto is = [level](const char* name) { return std::strcmp(level, name) == 0; };
    if (is("baseline")) return &baseline::kernel;
#if defined(__x86_64__)
    const auto has = [](const char* name) { return std::strcmp(best_level(), name) == 0; };
    if (is("avx2") && (has("avx2") || has("avx512"))) return &avx2::kernel;
    if (is("avx512") && has("avx512")) return &avx512::kernel;
#endif
    return nullptr;
}

}  // namespace roicrop
