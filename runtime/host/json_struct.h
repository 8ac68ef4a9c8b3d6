// JSON that another of our programs wrote: a run file, a status document.
#pragma once

#include <optional>
#include <string>

#include <google/protobuf/struct.pb.h>

namespace weir {

// nullopt: `json` isn't one whole object.
std::optional<google::protobuf::Struct> parse_json(const std::string& json);

// The member of that name; where there is none, one that is of no kind, so that its text is empty
// and its number 0.
const google::protobuf::Value& field(const google::protobuf::Struct& object,
                                     const std::string& name);

}  // namespace weir
