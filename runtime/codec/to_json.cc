#include "codec/to_json.h"

#include <fmt/format.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include "codec/reasons.h"

namespace weir {

namespace pb = google::protobuf;

namespace {
constexpr const char* kTypePrefix = "type.googleapis.com";
}  // namespace

struct JsonPrinter::Types {
  pb::DynamicMessageFactory factory;
  std::unique_ptr<pb::Message> message;
  // MessageToJsonString makes a new one for each message of a pool that isn't compiled in.
  std::unique_ptr<pb::util::TypeResolver> resolver;
};

JsonPrinter::JsonPrinter(const pb::Descriptor* descriptor) : types_(std::make_unique<Types>()) {
  types_->message.reset(types_->factory.GetPrototype(descriptor)->New());
  types_->resolver.reset(
      pb::util::NewTypeResolverForDescriptorPool(kTypePrefix, descriptor->file()->pool()));
}

JsonPrinter::~JsonPrinter() = default;

Result<std::string> JsonPrinter::print(std::string_view wire) {
  const std::string& name = types_->message->GetDescriptor()->full_name();
  // Parsed first: the printer alone takes a cut-off message for a whole one.
  const std::string bytes(wire);
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!types_->message->ParseFromString(bytes)) {
    return Status::dead_letter(reason::kInvalidProtobuf,
                               fmt::format("the value is no {} ({} bytes)", name, wire.size()));
  }
  const auto status = pb::util::BinaryToJsonString(
      types_->resolver.get(), std::string(kTypePrefix) + "/" + name, bytes, &json, options);
  if (!status.ok()) {
    return Status::dead_letter(reason::kInvalidProtobuf,
                               fmt::format("{}: {}", name, status.message().as_string()));
  }
  return json;
}

}  // namespace weir
