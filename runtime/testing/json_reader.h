// JSON as a message's wire bytes, by the codec itself: for those who write records by hand.
#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>

#include "codec/decoder.h"
#include "weir/status.h"

namespace weir {

// Reads messages of one type. One thread.
class JsonReader {
 public:
  // `descriptor` is borrowed. Unknown fields: count calls `on_unknown_field`, see decoder.h.
  JsonReader(const google::protobuf::Descriptor* descriptor, UnknownFields unknown_fields,
             UnknownFieldListener on_unknown_field = {});

  // The wire bytes; a failure is a dead letter with the codec's reason.
  Result<std::string> read(std::string_view json);

 private:
  Decoder decoder_;
  WireBuffer wire_;
  WireBuffer key_;
};

}  // namespace weir
