// Kafka's own wire format, for the few requests that are made without librdkafka. Private to this
// folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

inline void put_number(std::string& to, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    to.push_back(static_cast<char>(value >> shift));
  }
}

inline void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    to.push_back(static_cast<char>(value | 0x80));
  }
  to.push_back(static_cast<char>(value));
}

// A whole frame, length and header included, with the correlation id 1: none of our connections has
// two requests under way. What a flexible version has between header and body is the body's.
inline std::string request_frame(std::uint16_t api_key, std::uint16_t version,
                                 std::string_view client_id, std::string_view body) {
  std::string request;
  put_number(request, api_key, 2);
  put_number(request, version, 2);
  put_number(request, 1, 4);
  put_number(request, client_id.size(), 2);
  request += client_id;
  request += body;
  std::string frame;
  put_number(frame, request.size(), 4);
  return frame + request;
}

// Once anything doesn't fit, all that follows reads as empty and has_failed() is true.
class ProtocolReader {
 public:
  explicit ProtocolReader(std::string_view bytes) : rest_(bytes) {}

  bool has_failed() const { return has_failed_; }

  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      has_failed_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::int64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char c : take(bytes)) {
      value = value << 8 | static_cast<unsigned char>(c);
    }
    const unsigned unused_bits = 64 - 8 * static_cast<unsigned>(bytes);
    return static_cast<std::int64_t>(value << unused_bits) >> unused_bits;
  }

  // With its length in `length_bytes` before it, which is -1 for null.
  std::string_view text(std::size_t length_bytes) {
    const std::int64_t length = number(length_bytes);
    return length < 0 ? std::string_view() : take(static_cast<std::size_t>(length));
  }

  // The rest is of the flexible versions.

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::string_view byte = take(1);
      if (byte.empty()) {
        return 0;
      }
      value |= static_cast<std::uint64_t>(byte[0] & 0x7f) << shift;
      if ((byte[0] & 0x80) == 0) {
        return value;
      }
    }
    has_failed_ = true;
    rest_ = {};
    return 0;
  }

  // Compact: length + 1, 0 for null.
  std::string_view text() {
    const std::uint64_t length = varint();
    return length == 0 ? std::string_view() : take(length - 1);
  }

  // Length of a compact array. An element has at least one byte, so a length beyond the rest is
  // refused before anybody loops over it.
  std::uint64_t array() {
    const std::uint64_t length = varint();
    if (length > rest_.size() + 1) {
      has_failed_ = true;
      rest_ = {};
    }
    return length == 0 || has_failed_ ? 0 : length - 1;
  }

  void tags() {
    for (std::uint64_t count = varint(); count > 0 && !has_failed_; --count) {
      varint();
      take(varint());
    }
  }

 private:
  std::string_view rest_;
  bool has_failed_ = false;
};

}  // namespace weir
