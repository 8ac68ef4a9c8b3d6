#include "testing/json_reader.h"

#include <utility>

namespace weir {

namespace {

constexpr std::size_t kValueBytesMax = std::size_t{64} << 20;

DecodePlan plan_of(const google::protobuf::Descriptor* descriptor, UnknownFields unknown_fields) {
  PlanOptions options;
  options.unknown_fields = unknown_fields;
  options.value_bytes_max = kValueBytesMax;
  Result<DecodePlan> plan = DecodePlan::compile(descriptor, options);
  WEIR_ASSERT(plan.is_ok());  // only options can be wrong
  return std::move(plan).value();
}

}  // namespace

JsonReader::JsonReader(const google::protobuf::Descriptor* descriptor, UnknownFields unknown_fields,
                       UnknownFieldListener on_unknown_field)
    : decoder_(plan_of(descriptor, unknown_fields), std::move(on_unknown_field)) {}

Result<std::string> JsonReader::read(std::string_view json) {
  wire_.truncate(0);
  key_.truncate(0);
  WEIR_TRY(decoder_.decode(json, wire_, key_));
  return std::string(wire_.view(0, wire_.size()));
}

}  // namespace weir
