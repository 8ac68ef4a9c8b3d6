// Protobuf wire bytes, appended to a buffer that is reused from batch to batch.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace weir {

enum class WireType : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// The bytes that start a field: its number and wire type.
class WireTag {
 public:
  WireTag() = default;

  WireTag(std::uint32_t field, WireType type) {
    std::uint32_t value = (field << 3U) | static_cast<std::uint32_t>(type);
    for (; value >= 0x80U; value >>= 7U) {
      bytes_[size_++] = static_cast<char>(value | 0x80U);
    }
    bytes_[size_++] = static_cast<char>(value);
  }

  std::string_view bytes() const { return {bytes_, size_}; }

 private:
  char bytes_[5] = {};
  std::uint8_t size_ = 0;
};

// Grows only; nothing is freed between batches. Growing moves the bytes: hold offsets, not views.
class WireBuffer {
 public:
  std::size_t size() const { return size_; }

  std::string_view view(std::size_t from, std::size_t size) const {
    return {bytes_.get() + from, size};
  }

  void truncate(std::size_t size) { size_ = size; }

  void append(std::string_view bytes) {
    char* at = grow(bytes.size());
    if (!bytes.empty()) {
      std::memcpy(at, bytes.data(), bytes.size());
    }
  }

  // Tags have one or two bytes nearly always: a copy of fixed length is one move.
  void append(const WireTag& tag) {
    reserve(5);
    std::memcpy(bytes_.get() + size_, tag.bytes().data(), 5);
    size_ += tag.bytes().size();
  }

  void append_varint(std::uint64_t value) {
    reserve(10);
    char* at = bytes_.get() + size_;
    char* const from = at;
    while (value >= 0x80U) {
      *at++ = static_cast<char>(value | 0x80U);
      value >>= 7U;
    }
    *at++ = static_cast<char>(value);
    size_ += static_cast<std::size_t>(at - from);
  }

  // Little-endian, as the wire wants them and as this machine holds them.
  void append_fixed32(std::uint32_t value) { std::memcpy(grow(4), &value, 4); }

  void append_fixed64(std::uint64_t value) { std::memcpy(grow(8), &value, 8); }

  void append_text(const WireTag& tag, std::string_view text) {
    append(tag);
    append_varint(text.size());
    append(text);
  }

  // A length-prefixed part: open it, append its content, close it with what open returned.
  std::size_t open() {
    grow(1);
    return size_;
  }

  // Content under 128 bytes stays where it is; a longer one moves once to make room.
  void close(std::size_t opened) {
    const std::size_t length = size_ - opened;
    if (length < 0x80U) {
      bytes_[opened - 1] = static_cast<char>(length);
      return;
    }
    std::size_t prefix = 1;
    for (std::size_t rest = length >> 7U; rest != 0; rest >>= 7U) {
      ++prefix;
    }
    grow(prefix - 1);
    char* const at = bytes_.get() + opened - 1;
    std::memmove(at + prefix, at + 1, length);
    std::size_t rest = length;
    for (std::size_t i = 0; i < prefix; ++i, rest >>= 7U) {
      at[i] = static_cast<char>((rest & 0x7FU) | (i + 1 < prefix ? 0x80U : 0U));
    }
  }

 private:
  void reserve(std::size_t more) {
    if (capacity_ - size_ < more) {
      enlarge(more);
    }
  }

  char* grow(std::size_t more) {
    reserve(more);
    char* const at = bytes_.get() + size_;
    size_ += more;
    return at;
  }

  void enlarge(std::size_t more) {
    const std::size_t capacity = (capacity_ + more) * 2 + 4096;
    // Not value-initialised: zeroing megabytes that are overwritten at once would show.
    std::unique_ptr<char[]> bytes(new char[capacity]);
    if (size_ != 0) {
      std::memcpy(bytes.get(), bytes_.get(), size_);
    }
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace weir
