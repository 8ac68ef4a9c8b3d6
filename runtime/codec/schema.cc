#include "codec/schema.h"

#include <algorithm>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include "text/words.h"

namespace weir {

namespace pb = google::protobuf;

namespace {

class Errors final : public pb::compiler::MultiFileErrorCollector,
                     public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, int line, int column,
                const std::string& message) override {
    // Counted from zero; -1: about the file as a whole.
    add(line < 0 ? fmt::format("{}: {}", file, message)
                 : fmt::format("{}:{}:{}: {}", file, line + 1, column + 1, message));
  }

  void AddError(const std::string& file, const std::string& element, const pb::Message* /*where*/,
                ErrorLocation /*location*/, const std::string& message) override {
    add(fmt::format("{}: {}: {}", file, element, message));
  }

  Status status() const { return Status::stop(ExitCode::config, text_); }

 private:
  void add(const std::string& line) { text_ += (text_.empty() ? "" : "\n") + line; }

  std::string text_;
};

void list_messages(const pb::Descriptor& message, std::vector<std::string>& names) {
  names.push_back(message.full_name());
  for (int i = 0; i < message.nested_type_count(); ++i) {
    if (!message.nested_type(i)->options().map_entry()) {
      list_messages(*message.nested_type(i), names);
    }
  }
}

// All .proto files below the roots, as an import names them.
Result<std::vector<std::string>> proto_files(const SchemaSources& sources) {
  std::vector<std::string> files;
  for (const std::filesystem::path& file : sources.files) {
    files.push_back(file.generic_string());
  }
  if (!files.empty()) {
    return files;
  }
  for (const std::filesystem::path& root : sources.import_roots) {
    std::error_code error;
    std::filesystem::recursive_directory_iterator walk(root, error);
    for (; !error && walk != std::filesystem::recursive_directory_iterator();
         walk.increment(error)) {
      if (walk->path().extension() == ".proto") {
        files.push_back(walk->path().lexically_relative(root).generic_string());
      }
    }
    if (error) {
      return Status::stop(ExitCode::config,
                          fmt::format("import root {}: {}", root.string(), error.message()));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

struct Schema::Loaded {
  Errors errors;
  // google.protobuf's own types come from the library where no root has them.
  pb::DescriptorPoolDatabase well_known{*pb::DescriptorPool::generated_pool()};
  pb::compiler::DiskSourceTree tree;
  pb::compiler::SourceTreeDescriptorDatabase source_files{&tree, &well_known};
  pb::SimpleDescriptorDatabase set_files;
  pb::MergedDescriptorDatabase set_and_well_known{&set_files, &well_known};
  std::unique_ptr<pb::DescriptorPool> pool;
  std::vector<std::string> messages;
};

Schema::Schema(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}

Schema::Schema(Schema&&) noexcept = default;
Schema& Schema::operator=(Schema&&) noexcept = default;
Schema::~Schema() = default;

Result<Schema> Schema::read(const SchemaSources& sources) {
  // A library's types are in its pool only once something refers to them.
  static_cast<void>(pb::Any::descriptor());
  static_cast<void>(pb::Duration::descriptor());
  static_cast<void>(pb::Empty::descriptor());
  static_cast<void>(pb::FieldMask::descriptor());
  static_cast<void>(pb::Struct::descriptor());
  static_cast<void>(pb::Timestamp::descriptor());
  static_cast<void>(pb::Int64Value::descriptor());

  auto loaded = std::make_unique<Loaded>();
  std::vector<std::string> files;
  if (!sources.descriptor_set.empty()) {
    std::ifstream file(sources.descriptor_set, std::ios::binary);
    pb::FileDescriptorSet set;
    if (!file || !set.ParseFromIstream(&file)) {
      return Status::stop(ExitCode::config,
                          fmt::format("{}: can't be read as a FileDescriptorSet (make one with "
                                      "protoc --include_imports --descriptor_set_out)",
                                      sources.descriptor_set.string()));
    }
    for (const pb::FileDescriptorProto& proto : set.file()) {
      files.push_back(proto.name());
      if (!loaded->set_files.Add(proto)) {
        return Status::stop(ExitCode::config,
                            fmt::format("{}: {} is in it twice, or clashes with another file",
                                        sources.descriptor_set.string(), proto.name()));
      }
    }
    loaded->pool =
        std::make_unique<pb::DescriptorPool>(&loaded->set_and_well_known, &loaded->errors);
  } else {
    WEIR_TRY_ASSIGN(files, proto_files(sources));
    for (const std::filesystem::path& root : sources.import_roots) {
      loaded->tree.MapPath("", root.string());
    }
    loaded->source_files.RecordErrorsTo(&loaded->errors);
    loaded->pool = std::make_unique<pb::DescriptorPool>(
        &loaded->source_files, loaded->source_files.GetValidationErrorCollector());
  }
  bool complete = true;
  for (const std::string& name : files) {
    const pb::FileDescriptor* file = loaded->pool->FindFileByName(name);
    complete = complete && file != nullptr;
    for (int i = 0; file != nullptr && i < file->message_type_count(); ++i) {
      list_messages(*file->message_type(i), loaded->messages);
    }
  }
  if (!complete) {
    return loaded->errors.status();
  }
  return Schema(std::move(loaded));
}

Result<const pb::Descriptor*> Schema::message(std::string_view name) const {
  const auto& known = loaded_->messages;
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    return Status::stop(ExitCode::config, fmt::format("no message \"{}\" in the schema{}", name,
                                                      suggestion(name, known)));
  }
  const pb::Descriptor* found = loaded_->pool->FindMessageTypeByName(std::string(name));
  WEIR_ASSERT(found != nullptr);
  return found;
}

const std::vector<std::string>& Schema::messages() const {
  return loaded_->messages;
}

}  // namespace weir
