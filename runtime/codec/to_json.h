// Protobuf wire bytes as JSON, for people and for tools that read lines.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>

#include "weir/status.h"

namespace weir {

// Prints messages of one type. One thread.
class JsonPrinter {
 public:
  // `descriptor` is borrowed.
  explicit JsonPrinter(const google::protobuf::Descriptor* descriptor);
  ~JsonPrinter();
  JsonPrinter(const JsonPrinter&) = delete;
  JsonPrinter& operator=(const JsonPrinter&) = delete;

  // One line without its end, by protobuf's own mapping: fields under their names in the .proto, 64
  // bits as strings. Fails as a dead letter (invalid_protobuf) where `wire` is not the message.
  Result<std::string> print(std::string_view wire);

 private:
  struct Types;

  std::unique_ptr<Types> types_;
};

}  // namespace weir
