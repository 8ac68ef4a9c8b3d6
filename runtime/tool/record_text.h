// A record as people, programs and test cases read it.
#pragma once

#include <memory>
#include <string>

#include "codec/lane_codec.h"
#include "codec/to_json.h"
#include "loop/io.h"

namespace weir {

// One thread.
class RecordText {
 public:
  // `printer`: of the values' message; nullptr: values are shown as what they look like, a JSON
  // object, text or bytes.
  RecordText(std::string topic, std::unique_ptr<JsonPrinter> printer);

  // One JSON object, no newline: topic, partition, offset, timestamp, key, headers, value. A dead
  // letter's weir- headers stand under "dead_letter" instead, and its value, the bytes that were
  // set aside, is never taken for a message. What is no text is {"base64": …}; so is a value that
  // isn't the message, with "problem".
  std::string json(const RawRecord& record);

  // For a terminal, no newline at its end: a dead letter has a second line.
  std::string line(const RawRecord& record);

  // The record as an entry of `input:` in a test case (testing/cases.h) of a stage that reads it,
  // on one line: a dead letter as what it was before. A header whose name is no text is left out,
  // which a comment says.
  std::string case_input(const RawRecord& record);

 private:
  struct Value;

  Value value_of(const RawRecord& record);

  const std::string topic_;
  const std::unique_ptr<JsonPrinter> printer_;
  const std::unique_ptr<LaneCodec> objects_;  // knows a JSON object
};

// The text of a header, such as a dead letter's kReasonHeader; empty where the record has none.
std::string header_text(const RawRecord& record, std::string_view name);

// Of a record that is one.
bool is_dead_letter(const RawRecord& record);

// "text" where it is text, else {"base64": "…"}.
std::string json_of_bytes(std::string_view bytes);

}  // namespace weir
