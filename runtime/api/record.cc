#include "weir/record.h"

#include "weir/message_pool.h"
#include "weir/status.h"

namespace weir {

namespace {
constexpr char kStringTag = 's';
constexpr char kNumberTag = 'n';
constexpr char kBoolTag = 'b';
}  // namespace

void DedupKey::add(char tag, std::string_view content) {
  bytes_.push_back(tag);
  auto length = static_cast<std::uint32_t>(content.size());
  WEIR_ASSERT(length == content.size());
  for (int i = 0; i < 4; ++i) {
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
  key.add_string(text);
  return key;
}

DedupKey DedupKey::from_bytes(std::string_view bytes) {
  DedupKey key;
  key.bytes_ = bytes;
  return key;
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
