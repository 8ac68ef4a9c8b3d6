#include "state/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <pwd.h>

namespace weir {
namespace {

namespace fs = std::filesystem;

std::string this_process() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) {
    host[0] = '\0';
  }
  return fmt::format("process {} on {}", ::getpid(), host.data());
}

std::string holder_of(int descriptor) {
  std::array<char, 300> text{};
  const ssize_t bytes = ::pread(descriptor, text.data(), text.size(), 0);
  const std::string_view named(text.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  if (named == this_process()) {
    return "this process already";
  }
  return named.empty() ? "another process" : std::string(named);
}

std::string name_of_user(uid_t id) {
  std::array<char, 4096> names{};
  passwd user{};
  passwd* found = nullptr;
  return ::getpwuid_r(id, &user, names.data(), names.size(), &found) == 0 && found != nullptr
             ? user.pw_name
             : fmt::format("user {}", id);
}

// How `file`, which is there or else the last directory before it that is, keeps this process out;
// `missing` would be made in it, or is empty. Empty: not by whose it is.
std::string barrier(const fs::path& file, const fs::path& missing, const struct stat& found) {
  const int mode = missing.empty() ? R_OK | W_OK : W_OK | X_OK;
  if (::faccessat(AT_FDCWD, file.c_str(), mode, AT_EACCESS) == 0 || errno != EACCES) {
    return "";
  }
  const std::string self = name_of_user(::geteuid());
  if (found.st_uid == ::geteuid()) {
    return fmt::format("{} is this user's, {}, but not writable: chmod u+rwX it and start again",
                       file.string(), self);
  }
  return missing.empty()
             ? fmt::format(
                   "{} belongs to {}, and this runs as {}; chown it, or move it away, and "
                   "start again: the state is rebuilt from the log",
                   file.string(), name_of_user(found.st_uid), self)
             : fmt::format(
                   "{} belongs to {}, and this runs as {}: make {}, give it to {} and start "
                   "again, or set `state:` to a place of its own",
                   file.string(), name_of_user(found.st_uid), self, missing.string(), self);
}

// What on the way to `file` keeps this process from opening it, and the way out; empty: nothing
// that can be told.
std::string obstacle_to(const fs::path& file) {
  fs::path before = ".";
  fs::path at;
  for (const fs::path& part : file) {
    at /= part;

    struct stat found {};

    const bool exists = ::stat(at.c_str(), &found) == 0;
    const bool is_last = at == file;
    if (exists && S_ISDIR(found.st_mode) == is_last) {
      return fmt::format(
          "{} is a {}; move it away and start again: the state is rebuilt from the "
          "log",
          at.string(), is_last ? "directory" : "file");
    }
    if (exists && is_last) {
      return barrier(at, "", found);
    }
    if (!exists) {
      return ::stat(before.c_str(), &found) == 0 ? barrier(before, at, found) : "";
    }
    before = at;
  }
  return "";
}

std::string held_text(const fs::path& file, int descriptor) {
  return fmt::format("the lock {} is held by {}", file.string(), holder_of(descriptor));
}

Status failure_to_open(const fs::path& file, const std::string& why) {
  const std::string obstacle = obstacle_to(file);
  return Status::stop(ExitCode::disk, fmt::format("can't open the lock {}: {}{}{}", file.string(),
                                                  why, obstacle.empty() ? "" : ": ", obstacle));
}

}  // namespace

Result<FileLock> FileLock::acquire(const fs::path& file) {
  std::error_code failed;
  if (fs::create_directories(file.parent_path(), failed); failed) {
    return failure_to_open(file, failed.message());
  }
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return failure_to_open(file, std::strerror(errno));
  }
  FileLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Status::retry(held_text(file, descriptor));
    }
    return Status::stop(ExitCode::disk,
                        fmt::format("can't lock {}: {}", file.string(), std::strerror(errno)));
  }
  // For people only, so a full disk doesn't matter here.
  const std::string name = this_process();
  if (::ftruncate(descriptor, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(descriptor, name.data(), name.size(), 0);
  }
  return lock;
}

std::optional<std::string> FileLock::holder(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return std::nullopt;
  }
  const FileLock asked(descriptor);
  const bool is_held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  return is_held ? std::optional(held_text(file, descriptor)) : std::nullopt;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

}  // namespace weir
