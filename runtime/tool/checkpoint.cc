#include "tool/checkpoint.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <system_error>

#include <fmt/format.h>

namespace weir {

namespace {

constexpr const char* kFormat = "weir-produce-2";

}  // namespace

CheckpointFile::CheckpointFile(const std::filesystem::path& directory, const std::string& topic,
                               const std::string& file) {
  std::error_code failed;
  const std::filesystem::path whole = std::filesystem::absolute(file, failed);
  // The hash tells equal names in other folders apart; the same program reads it again. What a link
  // leads to may be another file the next time.
  path_ = directory / fmt::format("{}-{}-{:016x}", topic,
                                  std::filesystem::path(file).filename().string(),
                                  std::hash<std::string>{}(whole.lexically_normal().string()));
}

std::optional<FilePosition> CheckpointFile::read() const {
  std::ifstream in(path_);
  std::string format;
  std::string end;
  FilePosition found;
  auto& [file, offset, tail_bytes, tail_hash, modified_ns] = found.place;
  in >> format >> found.topic_id >> file.device >> file.inode >> file.head_bytes >>
      file.head_hash >> offset >> tail_bytes >> tail_hash >> modified_ns >> file.born_ns >> end;
  const bool is_whole = in && format == kFormat && end == "end";
  return is_whole ? std::optional(found) : std::nullopt;
}

Status CheckpointFile::write(const FilePosition& checkpoint) const {
  const auto& [file, offset, tail_bytes, tail_hash, modified_ns] = checkpoint.place;
  const std::filesystem::path made = path_.string() + ".new";
  std::error_code failed;
  std::filesystem::create_directories(path_.parent_path(), failed);
  std::ofstream out(made, std::ios::trunc);
  out << fmt::format("{} {} {} {} {} {} {} {} {} {} {} end\n", kFormat, checkpoint.topic_id,
                     file.device, file.inode, file.head_bytes, file.head_hash, offset, tail_bytes,
                     tail_hash, modified_ns, file.born_ns);
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

bool CheckpointFile::is_there() const {
  std::error_code failed;
  return std::filesystem::exists(path_, failed);
}

void CheckpointFile::remove() const {
  std::error_code failed;
  std::filesystem::remove(path_, failed);
}

}  // namespace weir
