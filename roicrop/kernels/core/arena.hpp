// Memory that is taken bit by bit and given back all at once.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

namespace roicrop {

// What is given back is kept, and taken again, unless it is much.
class Arena {
public:
    // `count` of them, all zero. T must have neither constructor nor destructor to speak of.
    template <class T>
    T* take(std::size_t count) {
        const std::size_t bytes = (count * sizeof(T) + alignment - 1) / alignment * alignment;
        while (page_ < pages_.size() && used_ + bytes > pages_[page_].size) {
            ++page_;
            used_ = 0;
        }
        if (page_ == pages_.size()) {
            const std::size_t size = std::max(bytes, page_bytes);
            pages_.push_back({std::unique_ptr<char[]>(new char[size]), size});
            bytes_ += size;
        }
        char* taken = pages_[page_].memory.get() + used_;
        used_ += bytes;
        std::memset(taken, 0, bytes);
        return reinterpret_cast<T*>(taken);
    }

    template <class T>
    T* copy(const std::vector<T>& values) {
        T* copied = take<T>(values.size());
        std::copy(values.begin(), values.end(), copied);
        return copied;
    }

    void give_back() {
        if (bytes_ > kept_bytes) {  // arrays that are longer each time would leave all before unused
            pages_.clear();
            bytes_ = 0;
        }
        page_ = used_ = 0;
    }

private:
    static constexpr std::size_t alignment = alignof(std::max_align_t);
    static constexpr std::size_t page_bytes = 1 << 16, kept_bytes = 1 << 22;

    struct Page {
        std::unique_ptr<char[]> memory;
        std::size_t size;
    };
    std::vector<Page> pages_;
    std::size_t bytes_ = 0, page_ = 0, used_ = 0;
};

}  // namespace roicrop
