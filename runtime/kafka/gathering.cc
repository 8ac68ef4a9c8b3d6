#include "kafka/gathering.h"

#include <deque>
#include <utility>
#include <vector>

namespace weir {
namespace {

std::vector<Header> headers_of(rd_kafka_message_t& message) {
  std::vector<Header> headers;
  rd_kafka_headers_t* raw = nullptr;
  if (rd_kafka_message_headers(&message, &raw) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return headers;
  }
  const std::size_t count = rd_kafka_header_cnt(raw);
  headers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_header_get_all(raw, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      break;
    }
    headers.push_back({name, value == nullptr ? std::nullopt
                                              : std::optional(std::string_view(
                                                    static_cast<const char*>(value), size))});
  }
  return headers;
}

std::optional<std::string_view> bytes_of(const void* bytes, std::size_t size) {
  return bytes == nullptr ? std::nullopt
                          : std::optional(std::string_view(static_cast<const char*>(bytes), size));
}

}  // namespace

struct Gathering::Messages final : Batch::Buffers {
  std::vector<MessagePtr> messages;
  std::deque<std::vector<Header>> headers;  // grows without moving what RawRecord points to
};

Gathering::Gathering() : messages_(std::make_unique<Messages>()) {}

Gathering::~Gathering() = default;

void Gathering::add(InputPartition where, MessagePtr message) {
  rd_kafka_message_t& m = *message;
  rd_kafka_timestamp_type_t type{};
  RawRecord& record = batch_.records.emplace_back();
  record.where = where;
  record.offset = Offset(m.offset);
  record.timestamp = Timestamp(rd_kafka_message_timestamp(&m, &type));
  record.key = bytes_of(m.key, m.key_len);
  record.value = bytes_of(m.payload, m.len);
  if (std::vector<Header> headers = headers_of(m); !headers.empty()) {
    record.headers = messages_->headers.emplace_back(std::move(headers));
  }
  messages_->messages.push_back(std::move(message));
  if (!batch_.ends.empty()) {
    std::erase_if(batch_.ends, [&](const Position& end) { return end.where == where; });
  }
}

void Gathering::clear() {
  batch_ = Batch();
  messages_ = std::make_unique<Messages>();
}

Batch Gathering::finish() && {
  batch_.buffers = std::move(messages_);
  return std::move(batch_);
}

}  // namespace weir
