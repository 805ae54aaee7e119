// A few threads for the length of a call. They are made anew each time, so that a process may fork.

#pragma once

#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace roicrop {

// Runs work(0) … work(threads − 1) at once, or fewer where no more threads are to be had: the work
// must be shared out by the workers themselves. What one of them throws is thrown here.
template <class Work>
void in_parallel(int threads, Work work) {
    std::exception_ptr failure = nullptr;
    std::atomic_flag failed = ATOMIC_FLAG_INIT;
    const auto guarded = [&](int thread) {
        try {
            work(thread);
        } catch (...) {
            if (!failed.test_and_set()) failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    others.reserve(std::size_t(threads - 1));
    try {
        for (int i = 1; i < threads; ++i) others.emplace_back(guarded, i);
    } catch (...) {
        // No more threads are to be had, or no memory for one: those that run take all the work.
    }
    guarded(0);
    for (std::thread& other : others) other.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace roicrop
