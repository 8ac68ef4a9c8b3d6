#include "weir/record.h"

#include "weir/message_pool.h"
#include "weir/status.h"

namespace weir {

namespace {
constexpr char kStringTag = 's';
constexpr char kNumberTag = 'n';
constexpr char kBoolTag = 'b';
constexpr std::size_t kLengthBytes = 4;
}  // namespace

void DedupKey::add(char tag, std::string_view content) {
  bytes_.push_back(tag);
  auto length = static_cast<std::uint32_t>(content.size());
  WEIR_ASSERT(length == content.size());
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    bytes_.push_back(static_cast<char>(length & 0xFFU));
    length >>= 8U;
  }
  bytes_.append(content);
}

DedupKey& DedupKey::add_string(std::string_view text) {
  add(kStringTag, text);
  return *this;
}

DedupKey& DedupKey::add_number(std::string_view token) {
  add(kNumberTag, token);
  return *this;
}

DedupKey& DedupKey::add_bool(bool value) {
  add(kBoolTag, value ? "1" : "0");
  return *this;
}

DedupKey DedupKey::of(std::string_view text) {
  DedupKey key;
  if (!text.empty()) {
    key.add_string(text);
  }
  return key;
}

DedupKey DedupKey::from_bytes(std::string_view bytes) {
  DedupKey key;
  key.bytes_ = bytes;
  return key;
}

std::string DedupKey::text() const {
  std::string text;
  for (std::string_view left = bytes_; !left.empty();) {
    WEIR_ASSERT(left.size() > kLengthBytes);
    left.remove_prefix(1);
    std::size_t length = 0;
    for (std::size_t i = kLengthBytes; i > 0; --i) {
      length = length << 8U | static_cast<unsigned char>(left[i - 1]);
    }
    left.remove_prefix(kLengthBytes);
    WEIR_ASSERT(left.size() >= length);
    text.append(left.substr(0, length));
    left.remove_prefix(length);
    if (!left.empty()) {
      text.push_back(',');
    }
  }
  return text;
}

const google::protobuf::Message& Record::parse(const google::protobuf::Message& prototype) const {
  WEIR_ASSERT(parts_.pool != nullptr);
  WEIR_ASSERT(parts_.descriptor == nullptr ||
              parts_.descriptor->full_name() == prototype.GetDescriptor()->full_name());
  if (parsed_ == nullptr) {
    parsed_ = &parts_.pool->parse(prototype, parts_.wire);
  }
  WEIR_ASSERT(parsed_->GetDescriptor() == prototype.GetDescriptor());
  return *parsed_;
}

}  // namespace weir
