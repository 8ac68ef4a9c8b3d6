// Test cases of a stage as YAML files, one file a case: what comes in, what must come out.
//
//   name: a comment that is sent twice leaves once     # for the report; the file if absent
//   input:                                             # in the order of arrival, one partition
//     - {json: {comment_id: a, content: "hi"}, key: a, timestamp: 1700000000000}
//     - {json: {comment_id: a, content: "hi"}}
//     - {value: '{"comment_id": "a", "content"'}
//   expect:                                            # only what is named is compared
//     outputs:
//       events: [{comment_id: a, content: "hi"}]       # all records of the output, in order
//     dead_letters: [{reason: invalid_json}]           # all of them, in order
//     duplicates: 1
//     dropped: {too_old: 2}                            # all drops, reason: how many
//
// A record of `input` has one of
//   json       the value as YAML, which JSON is, too: {a: 1, b: "1", c: [true, null]}. Quoted, it
//              is a string; unquoted, it is what it is in JSON, and a string otherwise. Where the
//              input is protobuf, it becomes the input's message.
//   value      the value as text, byte for byte
//   base64     the value as bytes that are no text
// or none of them: a tombstone; and may have
//   input      the stage's input that it goes to; the first if absent
//   key        text, or {base64: …}
//   timestamp  Kafka's, in milliseconds; if absent, one millisecond after the record before,
//              beginning at 1700000000000
//   headers    [{name: text}, …], or {name: {base64: …}}, or ~ for a header without a value
//
// An entry of `outputs` is a map, read as `json` above, or text: the message's JSON, or, for an
// output without a message type, the value itself. Messages are compared as messages: order and
// spelling of fields, spaces and defaults don't matter. An entry of `dead_letters` may also have
// `value`, compared as text.
#pragma once

#include <string>

#include "weir/stage.h"

namespace weir {

// Runs every *.yaml below `folder`, in the order of their names, each with a fresh StageDriver of
// `spec` and the deployment's file `config_file`. Throws TestFailure (see pipeline_driver.h) with
// every mistake and every difference, each as file:line:col of what was expected; also when there
// is no case at all.
void run_cases(const StageSpec& spec, const std::string& config_file, const std::string& folder);

}  // namespace weir
