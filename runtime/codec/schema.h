// Message types that are read when the process starts, so that a new source needs no rebuild.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "weir/status.h"

namespace weir {

// Where to find them: `.proto` files, or one FileDescriptorSet (protoc --include_imports
// --descriptor_set_out). google/protobuf/*.proto need not be there.
struct SchemaSources {
  std::vector<std::filesystem::path> import_roots;
  // Relative to a root; none: all .proto files below the roots.
  std::vector<std::filesystem::path> files;
  std::filesystem::path descriptor_set;  // instead of the two above
};

// Owns the descriptors that it hands out; immutable, any thread.
class Schema {
 public:
  // Fails with ExitCode::config, naming each error as file:line:col.
  static Result<Schema> read(const SchemaSources& sources);

  Schema(Schema&&) noexcept;
  Schema& operator=(Schema&&) noexcept;
  ~Schema();

  // By full name (`comments.v1.Comment`). Fails with ExitCode::config and what was probably meant.
  Result<const google::protobuf::Descriptor*> message(std::string_view name) const;

  // Full names of all that it has.
  const std::vector<std::string>& messages() const;

 private:
  struct Loaded;

  explicit Schema(std::unique_ptr<Loaded> loaded);

  std::unique_ptr<Loaded> loaded_;
};

}  // namespace weir
