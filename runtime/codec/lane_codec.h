// The Codec of a lane: each input's values as its configuration reads them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "codec/decoder.h"
#include "codec/plan.h"
#include "loop/io.h"
#include "weir/status.h"

namespace weir {

// How the values of one input are read.
struct InputFormat {
  enum class Form {
    // JSON objects. With a descriptor they become that message; without one they pass on untouched
    // once they are known to be one valid object.
    json,
    // Messages in wire form already; they pass on untouched. Only `key` and `value_bytes_max` of
    // the options count. Key fields are scalars at the top level: strings and bytes as strings,
    // integers and enums as the decimal number, truth values as such; of a field that is there
    // twice, the last holds, as in protobuf. A field with implicit presence that is absent has its
    // default (0, false); an empty string, an absent `optional` are missing. Numbers with a
    // fraction can't be keys.
    protobuf,
    // Anything; passes on untouched and has no key of the configuration's.
    bytes,
  };

  Form form = Form::json;
  const google::protobuf::Descriptor* descriptor = nullptr;  // borrowed
  PlanOptions options;
};

// Whether what people write as JSON is turned to the wire form before such an input reads it.
bool takes_wire_messages(const InputFormat& format);

class LaneCodec final : public Codec {
 public:
  // `inputs`: by InputIndex. Fails with ExitCode::config as DecodePlan::compile does; the caller
  // adds which input it was when there are several (the message starts with "input N: " then).
  static Result<std::unique_ptr<LaneCodec>> make(std::span<const InputFormat> inputs,
                                                 const UnknownFieldListener& on_unknown_field);

  ~LaneCodec() override;

  // Wire and key bytes are valid until the next call; a value that passes untouched is the
  // record's own.
  DecodeCounts decode(std::span<const RawRecord> records, std::span<Decoded> decoded) override;

 private:
  class Input;

  // What a record decoded to, as places in the buffers, which move while they grow.
  struct Part {
    std::size_t wire = 0;
    std::size_t wire_size = 0;
    std::size_t key = 0;
    std::size_t key_size = 0;
    bool own_wire = false;  // in wire_, not the record's value
  };

  LaneCodec();

  std::vector<std::unique_ptr<Input>> inputs_;
  WireBuffer wire_;
  WireBuffer keys_;
  std::vector<Part> parts_;
};

}  // namespace weir
