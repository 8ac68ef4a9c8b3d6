#include "state/manifest.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/core.h>
#include <xxhash.h>

namespace weir {
namespace {

constexpr std::string_view kVersionField = "weir-store";
constexpr int kVersion = 1;
constexpr std::string_view kChecksumField = "checksum";
// Far more than any identity takes.
constexpr std::size_t kManifestBytesMax = std::size_t{1} << 20;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}

  File(const File&) = delete;
  File& operator=(const File&) = delete;

  ~File() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  int get() const { return descriptor_; }

  bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

Status disk_failure(std::string_view what, const std::filesystem::path& path) {
  return Status::stop(ExitCode::disk,
                      fmt::format("can't {} {}: {}", what, path.string(), std::strerror(errno)));
}

std::string line(std::string_view field, std::string_view value) {
  std::string text(field);
  text += ": ";
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\\') {
      text += "\\\\";
    } else {
      text += c;
    }
  }
  text += '\n';
  return text;
}

std::string checksum_line(std::string_view covered) {
  return line(kChecksumField, fmt::format("{:016x}", XXH3_64bits(covered.data(), covered.size())));
}

// Takes lines off the front of a text.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  // The value of the next line, which must be of `field`.
  std::optional<std::string> take(std::string_view field) {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos || !rest_.starts_with(field) ||
        !rest_.substr(field.size()).starts_with(": ")) {
      return std::nullopt;
    }
    std::string value;
    for (std::size_t i = field.size() + 2; i < end; ++i) {
      const bool is_escape = rest_[i] == '\\' && i + 1 < end;
      i += is_escape ? 1 : 0;
      value += is_escape && rest_[i] == 'n' ? '\n' : rest_[i];
    }
    rest_.remove_prefix(end + 1);
    return value;
  }

  bool take(std::string_view field, std::string& value) {
    std::optional<std::string> taken = take(field);
    if (!taken) {
      return false;
    }
    value = *std::move(taken);
    return true;
  }

  template <class Number>
  bool take(std::string_view field, Number& number) {
    const std::optional<std::string> taken = take(field);
    if (!taken) {
      return false;
    }
    const char* end = taken->data() + taken->size();
    const auto [stopped, error] = std::from_chars(taken->data(), end, number);
    return error == std::errc() && stopped == end;
  }

  bool is_empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

Status damaged(std::string_view place, std::string_view what) {
  return Status::restore(fmt::format("the store {} can't be trusted: {}", place, what));
}

Status write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return Status::stop(ExitCode::disk, std::strerror(errno));
    }
    text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
  }
  return Status::ok();
}

}  // namespace

std::string encode_manifest(const StoreIdentity& identity) {
  std::string text = line(kVersionField, std::to_string(kVersion));
  text += line("cluster_id", identity.cluster_id);
  text += line("topic", identity.topic);
  text += line("topic_id", identity.topic_id);
  text += line("partition", std::to_string(identity.partition));
  text += line("partitions", std::to_string(identity.partitions));
  text += line("group", identity.group);
  text += line("window_ms", std::to_string(identity.window_ms));
  text += line("window_buckets", std::to_string(identity.window_buckets));
  text += line("key_rule", identity.key_rule);
  return text + checksum_line(text);
}

Result<StoreIdentity> decode_manifest(std::string_view text, std::string_view place) {
  const std::size_t checksum_bytes = checksum_line("").size();
  if (text.size() < checksum_bytes) {
    return damaged(place, "its manifest is cut short");
  }
  const std::string_view covered = text.substr(0, text.size() - checksum_bytes);
  if (text.substr(covered.size()) != checksum_line(covered)) {
    return damaged(place, "the checksum of its manifest is wrong");
  }
  Lines lines(covered);
  int version = 0;
  if (!lines.take(kVersionField, version)) {
    return damaged(place, "its manifest names no version");
  }
  if (version != kVersion) {
    return Status::stop(
        ExitCode::config,
        fmt::format("the store {} was written by another weir: its format version is '{}', this "
                    "one's is '{}'. Run the weir that wrote it, or remove the directory, and it is "
                    "rebuilt from the log.",
                    place, version, kVersion));
  }
  StoreIdentity identity;
  const bool is_whole =
      lines.take("cluster_id", identity.cluster_id) && lines.take("topic", identity.topic) &&
      lines.take("topic_id", identity.topic_id) && lines.take("partition", identity.partition) &&
      lines.take("partitions", identity.partitions) && lines.take("group", identity.group) &&
      lines.take("window_ms", identity.window_ms) &&
      lines.take("window_buckets", identity.window_buckets) &&
      lines.take("key_rule", identity.key_rule) && lines.is_empty();
  if (!is_whole) {
    return damaged(place, "its manifest lacks a field");
  }
  return identity;
}

Status write_manifest(const std::filesystem::path& file, const StoreIdentity& identity) {
  const std::filesystem::path written = file.string() + ".new";
  {
    const File out(::open(written.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!out.is_open()) {
      return disk_failure("create", written);
    }
    if (Status status = write_all(out.get(), encode_manifest(identity)); !status.is_ok()) {
      return status.within("can't write " + written.string());
    }
    if (::fsync(out.get()) != 0) {
      return disk_failure("sync", written);
    }
  }
  if (::rename(written.c_str(), file.c_str()) != 0) {
    return disk_failure("rename to", file);
  }
  return sync_directory(file.parent_path());
}

Result<StoreIdentity> read_manifest(const std::filesystem::path& file) {
  const std::string place = file.parent_path().string();
  const File in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.is_open()) {
    return errno == ENOENT ? damaged(place, "it has no manifest") : disk_failure("open", file);
  }
  std::string text(kManifestBytesMax, '\0');
  std::size_t bytes = 0;
  for (ssize_t got = 1; got != 0 && bytes < text.size();) {
    got = ::read(in.get(), text.data() + bytes, text.size() - bytes);
    if (got < 0 && errno != EINTR) {
      return disk_failure("read", file);
    }
    bytes += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  return decode_manifest(std::string_view(text).substr(0, bytes), place);
}

Status sync_directory(const std::filesystem::path& directory) {
  const File opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open() || ::fsync(opened.get()) != 0) {
    return disk_failure("sync", directory);
  }
  return Status::ok();
}

}  // namespace weir
