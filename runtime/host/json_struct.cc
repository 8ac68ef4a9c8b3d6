#include "host/json_struct.h"

#include <google/protobuf/util/json_util.h>

namespace weir {

using google::protobuf::Struct;
using google::protobuf::Value;

std::optional<Struct> parse_json(const std::string& json) {
  Struct parsed;
  if (!google::protobuf::util::JsonStringToMessage(json, &parsed).ok()) {
    return std::nullopt;
  }
  return parsed;
}

const Value& field(const Struct& object, const std::string& name) {
  static const Value none;
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? none : found->second;
}

}  // namespace weir
