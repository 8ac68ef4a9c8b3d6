#include "weir/out.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "weir/stage.h"

namespace weir {

namespace {

constexpr auto kOneOutcome = ": a record is dropped or has outputs, not both";

void append_varint(std::string& bytes, std::uint64_t value) {
  while (value >= 0x80U) {
    bytes.push_back(static_cast<char>(value | 0x80U));
    value >>= 7U;
  }
  bytes.push_back(static_cast<char>(value));
}

// nullopt: `wire` is no message.
std::optional<bool> has_field(std::string_view wire, std::uint32_t field) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(wire.data()),
                                            static_cast<int>(wire.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    if (static_cast<std::uint32_t>(WireFormatLite::GetTagFieldNumber(tag)) == field) {
      return true;
    }
    if (!WireFormatLite::SkipField(&in, tag)) {
      return std::nullopt;
    }
  }
  return in.ConsumedEntireMessage() ? std::optional(false) : std::nullopt;
}

}  // namespace

void Out::emit(std::string_view output, const google::protobuf::MessageLite& message) {
  const std::uint16_t index = find(output);
  const std::size_t at = bytes_.size();
  message.AppendToString(&bytes_);
  append(index, at);
}

void Out::emit_bytes(std::string_view output, std::string_view value) {
  const std::uint16_t index = find(output);
  const std::size_t at = bytes_.size();
  bytes_.append(value);
  append(index, at);
}

void Out::emit_rekeyed(std::string_view output, std::string_view key, std::string_view value) {
  const std::uint16_t index = find(output);
  if (!outputs_[index].rekeys) {
    throw UnknownOutput("output \"" + std::string(output) +
                        "\" keeps its input's key; declare it with rekeyed_output to send another");
  }
  const std::size_t key_at = bytes_.size();
  bytes_.append(key);
  const std::size_t value_at = bytes_.size();
  bytes_.append(value);
  append(index, value_at);
  emitted_.back().rekeyed = true;
  emitted_.back().key_at = key_at;
  emitted_.back().key_bytes = key.size();
}

void Out::annotate(std::string_view output, const Record& record,
                   const google::protobuf::MessageLite& message) {
  constexpr std::uint32_t kLengthDelimited = 2;
  const std::uint16_t index = find(output);
  const std::uint32_t field = outputs_[index].annotation_field;
  if (field == 0) {
    throw UnknownOutput("output \"" + std::string(output) +
                        "\" isn't annotated; declare it with annotated_output");
  }
  const std::optional<bool> is_annotated = has_field(record.wire(), field);
  if (!is_annotated) {
    dead_letter("invalid_message", "the record is no protobuf message, so nothing can be added");
    return;
  }
  if (*is_annotated) {
    dead_letter("already_annotated",
                "field " + std::to_string(field) + ", which output \"" + std::string(output) +
                    "\" adds, is in the record: its producer or an earlier stage has set it");
    return;
  }
  const std::size_t at = bytes_.size();
  bytes_.append(record.wire());
  append_varint(bytes_, (std::uint64_t{field} << 3U) | kLengthDelimited);
  append_varint(bytes_, message.ByteSizeLong());
  message.AppendToString(&bytes_);
  append(index, at);
}

void Out::drop(std::string_view reason) {
  Outcome& outcome = outcomes_.at(current_);
  if (outcome.fate == Fate::dead_lettered) {
    return;
  }
  if (outcome.fate == Fate::emitted) {
    throw std::logic_error("drop(\"" + std::string(reason) + "\") of a record with an output" +
                           kOneOutcome);
  }
  outcome.fate = Fate::dropped;
  outcome.reason = reason;
}

void Out::dead_letter(std::string_view reason, std::string message) {
  Outcome& outcome = outcomes_.at(current_);
  outcome.fate = Fate::dead_lettered;
  outcome.reason = reason;
  outcome.message = std::move(message);
}

void Out::reset(std::size_t records) {
  bytes_.clear();
  emitted_.clear();
  outcomes_.assign(records, Outcome{});
  current_ = 0;
}

void Out::sort_by_record() {
  const auto by_record = [](const Emitted& a, const Emitted& b) { return a.record < b.record; };
  if (!std::is_sorted(emitted_.begin(), emitted_.end(), by_record)) {
    std::stable_sort(emitted_.begin(), emitted_.end(), by_record);
  }
}

std::uint16_t Out::find(std::string_view output) const {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].name == output) {
      return static_cast<std::uint16_t>(i);
    }
  }
  std::string message = "no output \"" + std::string(output) + "\"; declared:";
  for (const OutputPort& port : outputs_) {
    message += " \"" + port.name + "\"";
  }
  throw UnknownOutput(message);
}

void Out::append(std::uint16_t output, std::size_t value_at) {
  Outcome& outcome = outcomes_.at(current_);
  if (outcome.fate == Fate::dropped) {
    throw std::logic_error("output \"" + outputs_[output].name + "\" of a record that drop(\"" +
                           outcome.reason + "\") was called for" + kOneOutcome);
  }
  Emitted e;
  e.record = current_;
  e.output = output;
  e.value_at = value_at;
  e.value_bytes = bytes_.size() - value_at;
  emitted_.push_back(e);
  if (outcome.fate == Fate::untouched) {
    outcome.fate = Fate::emitted;
  }
}

std::string_view Out::view(std::size_t at, std::size_t bytes) const {
  return std::string_view(bytes_).substr(at, bytes);
}

}  // namespace weir
