// What a stage is given: one record of Kafka, and the words for its parts.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

namespace weir {

// One type per meaning: these do not convert into each other or into numbers by themselves.
template <class Tag, class Value>
class Strong {
 public:
  using value_type = Value;

  constexpr Strong() = default;

  constexpr explicit Strong(Value value) : value_(value) {}

  constexpr Value value() const { return value_; }

  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  Value value_{};
};

// The place of a record in its partition.
using Offset = Strong<struct OffsetTag, std::int64_t>;
// The next offset to read; what Kafka calls the committed offset or the position.
using NextOffset = Strong<struct NextOffsetTag, std::int64_t>;
using Partition = Strong<struct PartitionTag, std::int32_t>;
// Milliseconds since the epoch as Kafka stamps them. May be anything: ≤ 0 means "not stamped".
using Timestamp = Strong<struct TimestampTag, std::int64_t>;
// Running maximum of the Kafka timestamps of one input partition. Zero: nothing stamped yet.
using StreamTime = Strong<struct StreamTimeTag, std::int64_t>;

// The only way from "this record is done" to "read on from here".
constexpr NextOffset next(Offset offset) {
  return NextOffset(offset.value() + 1);
}

// True when `offset` lies below `next`, that is, has been read already.
constexpr bool is_below(Offset offset, NextOffset next) {
  return offset.value() < next.value();
}

// A header of a record. A view: whoever hands it out says how long it lives.
struct Header {
  std::string_view name;
  std::optional<std::string_view> value;
};

// What makes two records the same, as bytes: per component a type tag, a length, the content. So a
// string "1" differs from a number 1, and ("ab","c") from ("a","bc"). A number is its token as it
// was written: never a parsed double, which would make two 23-digit ids one.
class DedupKey {
 public:
  DedupKey() = default;

  // `text`: unescaped UTF-8.
  DedupKey& add_string(std::string_view text);
  // `token`: the number as written, "007" and "7" differ.
  DedupKey& add_number(std::string_view token);
  DedupKey& add_bool(bool value);

  // No key for an empty text: a proto3 field that is missing reads as empty, and records that lack
  // their id are not one record.
  static DedupKey of(std::string_view text);
  // `bytes` as this class made them.
  static DedupKey from_bytes(std::string_view bytes);

  std::string_view bytes() const { return bytes_; }

  // The components' contents joined by commas: a Kafka key. Equal keys have equal texts, so they
  // meet in one partition; different keys may have one text ("a,b" and "a","b"; "1" and 1) and then
  // share a Kafka key, which decides nothing but the partition: what is a duplicate is decided by
  // bytes().
  std::string text() const;

  bool is_empty() const { return bytes_.empty(); }

  void clear() { bytes_.clear(); }

 private:
  void add(char tag, std::string_view content);

  std::string bytes_;
};

// Reused message objects for lazily parsed records; one per lane, emptied per batch.
class MessagePool;

// One record as `process` sees it. What it can't see (offset, topic, version, clock, environment)
// must not enter an output: derived from those, a rebuild would differ.
//
// A view into the batch: valid, with everything that it returns, until `process` returns. Used on
// the lane's thread only.
class Record {
 public:
  // Everything a record is made of; filled by the runtime.
  struct Parts {
    std::string_view input;
    Partition partition;
    Timestamp timestamp;
    std::optional<std::string_view> key;
    std::span<const Header> headers;
    std::string_view wire;
    std::string_view declared_key;
    const google::protobuf::Descriptor* descriptor = nullptr;
    MessagePool* pool = nullptr;
    std::uint32_t index = 0;
  };

  explicit Record(const Parts& parts) : parts_(parts) {}

  // Name of the stage's input, as declared in its spec.
  std::string_view input() const { return parts_.input; }

  // Kafka's key; nullopt where the record has none.
  std::optional<std::string_view> key() const { return parts_.key; }

  // In their order, names may repeat.
  std::span<const Header> headers() const { return parts_.headers; }

  // Kafka's timestamp of this record, not a time inside the message.
  Timestamp timestamp() const { return parts_.timestamp; }

  Partition partition() const { return parts_.partition; }

  // The message as protobuf wire bytes, or, for an input without a message type, the value as it
  // was read.
  std::string_view wire() const { return parts_.wire; }

  // The dedup key that the YAML declares by field names (`dedup.key`); empty when it declares none.
  std::string_view declared_key() const { return parts_.declared_key; }

  // The message, parsed at the first call. M must be the input's declared type (asserted). Throws
  // InvalidMessage when the bytes are not one: uncaught, that makes this record a dead letter.
  template <class M>
  const M& message() const {
    return static_cast<const M&>(parse(M::default_instance()));
  }

  // Position in the batch; `Out` uses it to know which record an output belongs to.
  std::uint32_t index() const { return parts_.index; }

  // The same record at another position of a batch; for the runtime.
  Record at(std::uint32_t index) const {
    Record moved = *this;
    moved.parts_.index = index;
    return moved;
  }

 private:
  const google::protobuf::Message& parse(const google::protobuf::Message& prototype) const;

  Parts parts_;
  mutable const google::protobuf::Message* parsed_ = nullptr;
};

}  // namespace weir
