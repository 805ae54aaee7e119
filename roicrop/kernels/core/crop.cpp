// Hand out (region, channels) to the threads, with scratch to work in, and choose the kernel for this
// processor.

#include "crop.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "batch.hpp"
#include "parallel.hpp"

namespace roicrop {
namespace {

constexpr std::int64_t streamed_bytes = 8 << 20;           // an output from which caches are left out
constexpr std::int64_t values_a_thread = 1 << 18;          // less is quicker without one more thread
constexpr std::int64_t row_buffer_bytes = 8 * line_bytes;  // of a column: the kernel's accumulators

void run(const Kernel& kernel, const Task<float>& task) { kernel.single(task); }
void run(const Kernel& kernel, const Task<double>& task) { kernel.real64(task); }

class Scratch {
public:
    explicit Scratch(std::int64_t bytes)
        : memory_(static_cast<char*>(::operator new(std::size_t(bytes), alignment))) {}
    ~Scratch() { ::operator delete(memory_, alignment); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    char* at(std::int64_t bytes) const { return memory_ + bytes; }

private:
    static constexpr std::align_val_t alignment{line_bytes};
    char* const memory_;
};

std::int64_t element_bytes(Element element) {
    if (element == Element::half) return sizeof(half);
    return element == Element::single ? sizeof(float) : sizeof(double);
}

// One call, batch by batch.
template <class Sum>
class Cropping {
public:
    Cropping(const Arguments& a, const Kernel& kernel)
        : a_(a),
          kernel_(kernel),
          line_(line_bytes / element_bytes(a.element)),
          streams_(a.count * a.out_strides[0] >= streamed_bytes),
          layout_(layout()),
          batch_(a, layout_) {}

    void run() {
        while (batch_.next()) pool_batch();
    }

private:
    Layout layout() const {
        const std::int64_t size = line_bytes / line_, channels = a_.shape[1];
        Layout found{};
        found.cell_bytes = channels * size;
        found.cells_out = a_.out_strides[3] != size && a_.out_strides[1] == size;
        found.cells_in = found.cells_out && a_.strides[3] != size && a_.strides[1] == size && channels >= line_ &&
                         a_.number.kind == 'f' && a_.number.bytes == size && !a_.number.swapped;
        found.fills_lines = (std::intptr_t(a_.out) | a_.out_strides[2] | a_.out_strides[3]) % line_bytes == 0;
        return found;
    }

    // Vectors go past the end of what is short.
    std::int64_t tile_bytes(std::int64_t channels) const {
        const std::int64_t bins = std::int64_t(a_.bins_y) * a_.bins_x + line_;
        return (bins * std::max(channels, line_) * std::int64_t(sizeof(Sum)) / line_bytes + 1) * line_bytes;
    }

    void pool_batch() {
        const auto& regions = batch_.regions();
        const std::int64_t most = channels_of_task(std::int64_t(regions.size()));
        const std::int64_t panel = batch_.panel_bytes(), buffers = batch_.columns() * row_buffer_bytes;
        const std::int64_t tile = tile_bytes(most + line_), all = panel + buffers + 2 * tile;
        const std::int64_t values = batch_.boxes() * a_.bins_y * a_.bins_x * a_.shape[1];
        const std::int64_t useful = std::min(1 + values / values_a_thread, scratch_bytes / all);
        const int threads = int(std::clamp<std::int64_t>(useful, 1, a_.threads));
        const Scratch scratch(threads * all);
        struct Part {
            const Region<Sum>* region;
            std::int64_t first, channels;
        };
        std::vector<Part> parts;
        for (const Region<Sum>& region : regions)
            for (std::int64_t c = 0, channels = 0; c < a_.shape[1]; c += channels) {
                channels = std::min(region.lines ? std::min(region.lines * line_, most) : most, a_.shape[1] - c);
                // What is read as it is has at least a vector.
                if (!region.lines && a_.shape[1] - c - channels < line_) channels = a_.shape[1] - c;
                parts.push_back({&region, c, channels});
            }
        std::atomic<std::size_t> next{0};
        in_parallel(threads, [&](int thread) {
            Task<Sum> task{};
            task.call = &a_;
            task.out_cells = layout_.cells_out;
            task.streams = streams_;
            task.panel = scratch.at(thread * all);
            task.row_buffer = task.panel + panel;
            task.staged = task.row_buffer + buffers;
            task.tile = task.staged + tile;
            for (std::size_t i = next++; i < parts.size(); i = next++) {
                task.region = parts[i].region;
                task.first_channel = int(parts[i].first);
                task.channels = int(parts[i].channels);
                roicrop::run(kernel_, task);
            }
        });
    }

    // At most: of a panel a cache line; where channels are last all that the kernel takes at once, some
    // times, so that each thread has some and a tile stays near.
    std::int64_t channels_of_task(std::int64_t regions) const {
        if (!layout_.cells_out) return line_;
        const std::int64_t at_once = most_lines * line_, channels = a_.shape[1];
        const std::int64_t blocks = a_.threads == 1 ? 1 : (4 * a_.threads + regions - 1) / regions;
        const std::int64_t room = near_bytes / (std::int64_t(a_.bins_y) * a_.bins_x * sizeof(Sum));
        const std::int64_t wanted = std::min(room, (channels + blocks - 1) / blocks);
        return std::min(std::max<std::int64_t>((wanted + at_once - 1) / at_once, 1) * at_once, channels);
    }

    const Arguments& a_;
    const Kernel& kernel_;
    const std::int64_t line_;  // elements of a cache line
    const bool streams_;
    const Layout layout_;
    Batch<Sum> batch_;
};

}  // namespace

void crop(const Arguments& arguments, const Kernel& kernel) {
    if (arguments.element == Element::real64)
        Cropping<double>(arguments, kernel).run();
    else
        Cropping<float>(arguments, kernel).run();
}

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
