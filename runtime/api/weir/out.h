// Where a stage puts what it makes of a record.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message_lite.h>

#include "weir/record.h"

namespace weir {

// One output as the stage declared it and as YAML bound it.
struct OutputPort {
  std::string name;
  // Field number under which `annotate` appends the stage's message; 0: this output isn't
  // annotated.
  std::uint32_t annotation_field = 0;
  // True when records may leave under another key than their input's (a new root).
  bool rekeys = false;
};

// Collects the outcome of a batch: outputs, drops, dead letters, per record. A plain value without
// effects: nothing leaves the process before the turn's transaction commits.
//
// Every record has exactly one outcome. One of which no call speaks would be lost in silence: it is
// set aside as a dead letter, `no_outcome`. Where no output is meant, say drop(reason). A dead
// letter is final, whatever is called before or after; drop together with an output, in either
// order, is a bug in the stage: the second call throws std::logic_error.
//
// In the span form of `process`, call at(record) before the calls for that record. Used on the
// lane's thread only.
class Out {
 public:
  // `outputs` are borrowed and outlive this object.
  explicit Out(std::span<const OutputPort> outputs) : outputs_(outputs) {}

  // ---- for stages ----

  // The calls below speak of `record`, until the next at().
  void at(const Record& record) { current_ = record.index(); }

  // Sends `message` under the input's key to the input's partition number.
  // Throws UnknownOutput (a bug in the stage) when there is no such output.
  void emit(std::string_view output, const google::protobuf::MessageLite& message);

  // The same with bytes that are already serialised, or with a value passed on untouched.
  void emit_bytes(std::string_view output, std::string_view value);

  // Under another key; the partition is murmur2 of it, as Java's clients choose. Only for an output
  // that the spec declares as re-keying.
  void emit_rekeyed(std::string_view output, std::string_view key, std::string_view value);

  // Sends the input's bytes on untouched, with `message` appended as the field that the spec
  // declares for this output. Protobuf merges concatenated messages, so nothing is decoded. A
  // record that has the field already is a dead letter, `already_annotated`: merged, the two would
  // be a third that nobody said. So is one that is no message, as `invalid_message`.
  void annotate(std::string_view output, const Record& record,
                const google::protobuf::MessageLite& message);

  // This record has no output, on purpose. `reason`: a short constant word, it becomes a label.
  void drop(std::string_view reason);

  // Sets this record aside with its reason; discards what was emitted for it. `reason` as in drop.
  void dead_letter(std::string_view reason, std::string message);

  // ---- for the runtime ----

  struct Emitted {
    std::uint32_t record = 0;
    std::uint16_t output = 0;
    bool rekeyed = false;
    std::size_t key_at = 0, key_bytes = 0;  // of the new key; only when rekeyed
    std::size_t value_at = 0, value_bytes = 0;
  };

  enum class Fate : std::uint8_t { untouched, emitted, dropped, dead_lettered };

  struct Outcome {
    Fate fate = Fate::untouched;
    std::string reason;
    std::string message;
  };

  // Forgets everything; the next batch has `records` records. Keeps its memory.
  void reset(std::size_t records);

  // Orders emitted() by record; within one record the order of the calls stays.
  void sort_by_record();

  std::span<const Emitted> emitted() const { return emitted_; }

  std::string_view key(const Emitted& e) const { return view(e.key_at, e.key_bytes); }

  std::string_view value(const Emitted& e) const { return view(e.value_at, e.value_bytes); }

  const Outcome& outcome(std::uint32_t record) const { return outcomes_.at(record); }

 private:
  std::uint16_t find(std::string_view output) const;
  void append(std::uint16_t output, std::size_t value_at);
  std::string_view view(std::size_t at, std::size_t bytes) const;

  std::span<const OutputPort> outputs_;
  std::string bytes_;
  std::vector<Emitted> emitted_;
  std::vector<Outcome> outcomes_;
  std::uint32_t current_ = 0;
};

}  // namespace weir
