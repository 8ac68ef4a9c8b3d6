#include "tool/record_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "http/escape.h"
#include "weir/headers.h"

namespace weir {

namespace {

// What a dead letter says of its record, and whether that is a number.
struct Fact {
  std::string_view header;
  bool is_number;
};

constexpr std::array kFacts{Fact{kReasonHeader, false}, Fact{kMessageHeader, false},
                            Fact{kTopicHeader, false},  Fact{kPartitionHeader, true},
                            Fact{kOffsetHeader, true},  Fact{kTimestampHeader, true},
                            Fact{kStageHeader, false},  Fact{kVersionHeader, true}};

bool is_text(std::string_view bytes) {
  return printable(bytes) == bytes;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = i; k < i + 3; ++k) {
      bits = bits << 8 | (k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0U);
    }
    for (std::size_t digit = 0; digit < 4; ++digit) {
      const bool is_there = i + digit <= bytes.size();
      text.push_back(is_there ? kDigits[bits >> (18 - 6 * digit) & 63] : '=');
    }
  }
  return text;
}

std::string json_headers(const RawRecord& record) {
  std::string text;
  for (const Header& header : record.headers) {
    if (is_of_the_record(header)) {
      text += fmt::format(R"({}{{"name": {}, "value": {}}})", text.empty() ? "" : ", ",
                          json_of_bytes(header.name),
                          header.value ? json_of_bytes(*header.value) : "null");
    }
  }
  return text;
}

bool is_integer(std::string_view text) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  return !digits.empty() && digits.size() < 20 &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string json_facts(const RawRecord& record) {
  std::string text;
  for (const auto& [header, is_number] : kFacts) {
    const std::string value = header_text(record, header);
    text += fmt::format(R"({}"{}": {})", text.empty() ? "" : ", ",
                        header.substr(kOwnHeaderPrefix.size()),
                        is_number && is_integer(value) ? value : json_of_bytes(value));
  }
  return text;
}

std::string time_text(Timestamp time) {
  constexpr std::int64_t kYear10000 = 253'402'300'800'000;
  if (time.value() <= 0 || time.value() >= kYear10000) {
    return std::to_string(time.value());
  }
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(time.value() / 1000)),
                     time.value() % 1000);
}

// `text` as YAML on one line.
std::string yaml_text(std::string_view text) {
  if (text.find('\n') != std::string_view::npos) {
    return json_string(text);
  }
  std::string quoted = "'";
  for (const char c : text) {
    quoted.append(c == '\'' ? 2 : 1, c);
  }
  return quoted + "'";
}

std::string yaml_bytes(std::string_view bytes) {
  return is_text(bytes) ? yaml_text(bytes) : fmt::format("{{base64: {}}}", base64(bytes));
}

}  // namespace

struct RecordText::Value {
  enum class Kind { none, json, text, bytes };
  Kind kind = Kind::none;
  std::string text;
  std::string problem;

  std::string json() const {
    switch (kind) {
      case Kind::none:
        return "null";
      case Kind::json:
        return text;
      case Kind::text:
        return json_string(text);
      case Kind::bytes:
        return fmt::format(R"({{"base64": "{}"}})", base64(text));
    }
    WEIR_ASSERT(false);
  }
};

std::string json_of_bytes(std::string_view bytes) {
  return is_text(bytes) ? json_string(bytes) : fmt::format(R"({{"base64": "{}"}})", base64(bytes));
}

std::string header_text(const RawRecord& record, std::string_view name) {
  for (const Header& header : record.headers) {
    if (header.name == name) {
      return std::string(header.value.value_or(""));
    }
  }
  return {};
}

bool is_dead_letter(const RawRecord& record) {
  return !header_text(record, kReasonHeader).empty();
}

RecordText::RecordText(std::string topic, std::unique_ptr<JsonPrinter> printer)
    : topic_(std::move(topic)), printer_(std::move(printer)), objects_([] {
        const InputFormat any;
        Result<std::unique_ptr<LaneCodec>> made = LaneCodec::make(std::span(&any, 1), {});
        WEIR_ASSERT(made.is_ok());
        return std::move(made).value();
      }()) {}

RecordText::Value RecordText::value_of(const RawRecord& record) {
  Value value;
  if (!record.value) {
    return value;
  }
  value.text = *record.value;
  value.kind = is_text(value.text) ? Value::Kind::text : Value::Kind::bytes;
  if (printer_ && !is_dead_letter(record)) {
    Result<std::string> printed = printer_->print(*record.value);
    if (printed.is_ok()) {
      value.kind = Value::Kind::json;
      value.text = std::move(printed).value();
    } else {
      value.problem = printed.status().message();
    }
    return value;
  }
  RawRecord alone;
  alone.value = record.value;
  Decoded decoded;
  objects_->decode(std::span(&alone, 1), std::span(&decoded, 1));
  if (decoded.status.is_ok()) {
    value.kind = Value::Kind::json;
    // Between tokens only; within a string they are escaped.
    std::replace_if(
        value.text.begin(), value.text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  }
  return value;
}

std::string RecordText::json(const RawRecord& record) {
  const Value value = value_of(record);
  std::string text =
      fmt::format(R"({{"topic": {}, "partition": {}, "offset": {}, "timestamp": {}, "key": {}, )"
                  R"("headers": [{}])",
                  json_string(topic_), record.where.partition.value(), record.offset.value(),
                  record.timestamp.value(), record.key ? json_of_bytes(*record.key) : "null",
                  json_headers(record));
  if (is_dead_letter(record)) {
    text += fmt::format(R"(, "dead_letter": {{{}}})", json_facts(record));
  }
  if (!value.problem.empty()) {
    text += fmt::format(R"(, "problem": {})", json_string(value.problem));
  }
  return text + fmt::format(R"(, "value": {}}})", value.json());
}

std::string RecordText::line(const RawRecord& record) {
  const Value value = value_of(record);
  std::string text =
      fmt::format("{}:{}  {}  {}  {}", record.where.partition.value(), record.offset.value(),
                  time_text(record.timestamp), record.key ? printable(*record.key) : "(no key)",
                  value.kind == Value::Kind::none    ? "(no value)"
                  : value.kind == Value::Kind::bytes ? value.json()
                                                     : printable(value.text));
  if (!value.problem.empty()) {
    text += "  (" + printable(value.problem) + ")";
  }
  for (const Header& header : record.headers) {
    if (is_of_the_record(header)) {
      text += fmt::format("  {}={}", printable(header.name),
                          header.value ? printable(*header.value) : "(null)");
    }
  }
  if (is_dead_letter(record)) {
    text += printable(fmt::format(
        "\n  dead letter: {} ({}), {} {}:{}, by {} v{}", header_text(record, kReasonHeader),
        header_text(record, kMessageHeader), header_text(record, kTopicHeader),
        header_text(record, kPartitionHeader), header_text(record, kOffsetHeader),
        header_text(record, kStageHeader), header_text(record, kVersionHeader)));
  }
  return text;
}

std::string RecordText::case_input(const RawRecord& record) {
  const Value value = value_of(record);
  const bool is_message =
      printer_ != nullptr && value.kind == Value::Kind::json && !is_dead_letter(record);
  std::string text;
  if (is_message) {
    text = "json: " + value.text;
  } else if (record.value) {
    text = is_text(*record.value) ? "value: " + yaml_text(*record.value)
                                  : "base64: " + base64(*record.value);
  }
  const auto add = [&text](const std::string& field) {
    text += (text.empty() ? "" : ", ") + field;
  };
  if (record.key) {
    add("key: " + yaml_bytes(*record.key));
  }
  const std::string before = header_text(record, kTimestampHeader);
  add("timestamp: " + (is_dead_letter(record) && is_integer(before)
                           ? before
                           : std::to_string(record.timestamp.value())));
  std::string headers;
  int nameless = 0;
  for (const Header& header : record.headers) {
    if (is_of_the_record(header) && is_text(header.name)) {
      headers += fmt::format("{}{{{}: {}}}", headers.empty() ? "" : ", ", yaml_text(header.name),
                             header.value ? yaml_bytes(*header.value) : "~");
    } else if (is_of_the_record(header)) {
      ++nameless;
    }
  }
  if (!headers.empty()) {
    add("headers: [" + headers + "]");
  }
  return fmt::format(
      "{{{}}}{}", text,
      nameless == 0 ? ""
                    : fmt::format("  # left out: {} headers whose names are no text", nameless));
}

}  // namespace weir
