// Reused protobuf objects for lazily parsed records. For the runtime; stages meet it only as
// Record::message.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>

namespace weir {

// protobuf parses no message that nests deeper, so none may be made of a record that does.
inline constexpr int kMessageDepthMax = 100;

// Parsing into a reused object costs two thirds of parsing into a fresh one. One per lane.
class MessagePool {
 public:
  // `bytes` parsed as `prototype`'s type. The result lives until the next reset().
  // Throws InvalidMessage.
  const google::protobuf::Message& parse(const google::protobuf::Message& prototype,
                                         std::string_view bytes);

  // Takes all objects back.
  void reset();

 private:
  struct Kind {
    const google::protobuf::Descriptor* descriptor = nullptr;
    std::vector<std::unique_ptr<google::protobuf::Message>> objects;
    std::size_t used = 0;
  };

  std::vector<Kind> kinds_;
};

}  // namespace weir
