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
  const passwd* user = ::getpwuid(id);
  return user != nullptr ? user->pw_name : fmt::format("user {}", id);
}

// What on the way to `file` keeps this process from opening it, and the way out; empty: nothing.
std::string obstacle_to(const fs::path& file) {
  constexpr auto kThenAgain = "and start again: the state is rebuilt from the log";
  fs::path before = ".";
  fs::path at;
  for (const fs::path& part : file) {
    at /= part;

    struct stat found {};

    const bool exists = ::stat(at.c_str(), &found) == 0;
    const bool is_last = at == file;
    if (exists && S_ISDIR(found.st_mode) == is_last) {
      return fmt::format("{} is a {}; move it away {}", at.string(), is_last ? "directory" : "file",
                         kThenAgain);
    }
    if (!exists || is_last) {
      const fs::path& barred = exists ? at : before;
      const int mode = exists ? R_OK | W_OK : W_OK | X_OK;
      if (::faccessat(AT_FDCWD, barred.c_str(), mode, AT_EACCESS) == 0 || errno != EACCES) {
        return "";
      }
      ::stat(barred.c_str(), &found);
      return fmt::format("{} belongs to {}, and this runs as {}; chown it, or move it away, {}",
                         barred.string(), name_of_user(found.st_uid), name_of_user(::geteuid()),
                         kThenAgain);
    }
    before = at;
  }
  return "";
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
      return Status::retry(
          fmt::format("the lock {} is held by {}", file.string(), holder_of(descriptor)));
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
