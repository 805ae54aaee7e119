// A few threads for the length of a call. They are made anew each time, so that a process may fork.

#pragma once

#include <functional>
#include <future>
#include <vector>

namespace roicrop {

// Runs work(0) … work(threads − 1) at once, or fewer where no more threads are to be had: the work
// must be shared out by the workers themselves. What one of them throws is thrown here.
template <class Work>
void in_parallel(int threads, Work work) {
    std::vector<std::future<void>> others;
    others.reserve(std::size_t(threads));
    try {
        for (int i = 1; i < threads; ++i) others.push_back(std::async(std::launch::async, std::ref(work), i));
    } catch (...) {
        // No more threads are to be had, or no memory for one: those that run take all the work.
    }
    work(0);
    for (std::future<void>& other : others) other.get();
}

}  // namespace roicrop
