#include "tool/checkpoint.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <system_error>

#include <fmt/format.h>

namespace weir {

namespace {

constexpr const char* kFormat = "weir-produce-1";

}  // namespace

CheckpointFile::CheckpointFile(const std::filesystem::path& directory, const std::string& topic,
                               const std::string& file) {
  std::error_code failed;
  const std::string whole = std::filesystem::weakly_canonical(file, failed).string();
  // The hash tells equal names in other folders apart; the same program reads it again.
  path_ = directory / fmt::format("{}-{}-{:016x}", topic,
                                  std::filesystem::path(file).filename().string(),
                                  std::hash<std::string>{}(failed ? file : whole));
}

std::optional<FilePosition> CheckpointFile::read() const {
  std::ifstream in(path_);
  std::string format;
  std::string end;
  FilePosition found;
  FileIdentity& file = found.place.file;
  in >> format >> found.topic_id >> file.device >> file.inode >> file.head_bytes >>
      file.head_hash >> found.place.offset >> end;
  const bool is_whole = in && format == kFormat && end == "end";
  return is_whole ? std::optional(found) : std::nullopt;
}

Status CheckpointFile::write(const FilePosition& checkpoint) const {
  const FileIdentity& file = checkpoint.place.file;
  const std::filesystem::path made = path_.string() + ".new";
  std::error_code failed;
  std::filesystem::create_directories(path_.parent_path(), failed);
  std::ofstream out(made, std::ios::trunc);
  out << fmt::format("{} {} {} {} {} {} {} end\n", kFormat, checkpoint.topic_id, file.device,
                     file.inode, file.head_bytes, file.head_hash, checkpoint.place.offset);
  out.close();
  if (out) {
    std::filesystem::rename(made, path_, failed);
  }
  if (!out || failed) {
    return Status::stop(
        ExitCode::disk,
        fmt::format("can't write {}, which a killed run would go on from: {}; say --state DIR",
                    path_.string(), out ? failed.message() : std::strerror(errno)));
  }
  return Status::ok();
}

void CheckpointFile::remove() const {
  std::error_code failed;
  std::filesystem::remove(path_, failed);
}

}  // namespace weir
