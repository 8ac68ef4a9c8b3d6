#include "state/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace weir {
namespace {

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

}  // namespace

Result<FileLock> FileLock::acquire(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return Status::stop(ExitCode::disk, fmt::format("can't open the lock {}: {}", file.string(),
                                                    std::strerror(errno)));
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
