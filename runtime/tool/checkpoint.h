// How far a file was put into a topic, kept so that a killed process can go on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tool/lines.h"
#include "weir/status.h"

namespace weir {

// Of a topic whose id can't be asked for: may be any.
inline constexpr auto kUnknownTopic = "/";

struct FilePosition {
  std::string topic_id;  // cluster and topic, or kUnknownTopic: another topic begins anew
  LinePlace place;
};

// One file of `directory`, named after the topic and the path that was given for the file that is
// read.
class CheckpointFile {
 public:
  CheckpointFile(const std::filesystem::path& directory, const std::string& topic,
                 const std::string& file);

  // nullopt: there is none, or none that can be read.
  std::optional<FilePosition> read() const;

  // Replaces it as a whole.
  Status write(const FilePosition& checkpoint) const;

  bool is_there() const;

  void remove() const;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace weir
