// A few threads for the duration of a call. They are created each time, so that a process may fork.

#pragma once

#include <functional>
#include <future>
#include <vector>

namespace roicrop {

// Runs work(0) … work(threads − 1) at once, or fewer if no more threads are available: workers must
// divide the work among themselves. An exception in one of them is rethrown here.
template <class Work>
void in_parallel(int threads, Work work) {
    std::vector<std::future<void>> others;
    others.reserve(std::size_t(threads));
    try {
        for (int i = 1; i < threads; ++i) others.push_back(std::async(std::launch::async, std::ref(work), i));
    } catch (...) {
        // No more threads, or no memory for one: the threads that run do all the work.
    }
    work(0);
    for (std::future<void>& other : others) other.get();
}

}  // namespace roicrop
