#include "weir/message_pool.h"

#include <limits>
#include <string>

#include "weir/stage.h"

namespace weir {

const google::protobuf::Message& MessagePool::parse(const google::protobuf::Message& prototype,
                                                    std::string_view bytes) {
  Kind* kind = nullptr;
  for (Kind& k : kinds_) {
    if (k.descriptor == prototype.GetDescriptor()) {
      kind = &k;
    }
  }
  if (kind == nullptr) {
    kind = &kinds_.emplace_back();
    kind->descriptor = prototype.GetDescriptor();
  }
  if (kind->used == kind->objects.size()) {
    kind->objects.emplace_back(prototype.New());
  }
  google::protobuf::Message& object = *kind->objects[kind->used++];
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !object.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw InvalidMessage("the value is not a " + prototype.GetTypeName() +
                         " in protobuf wire form (" + std::to_string(bytes.size()) + " bytes)");
  }
  return object;
}

void MessagePool::reset() {
  for (Kind& kind : kinds_) {
    kind.used = 0;
  }
}

}  // namespace weir
