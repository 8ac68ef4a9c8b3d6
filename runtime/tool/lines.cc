#include "tool/lines.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

namespace weir {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr std::uint64_t kHeadBytesMax = 1024;
constexpr int kWaitMs = 100;

Status disk_failure(const std::string& path) {
  return Status::stop(ExitCode::disk, fmt::format("can't read {}: {}", path, std::strerror(errno)));
}

// FNV-1a.
std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

std::optional<struct stat> stat_of(int fd) {
  struct stat found {};

  return ::fstat(fd, &found) == 0 ? std::optional(found) : std::nullopt;
}

std::uint64_t head_hash(int fd, std::uint64_t size) {
  std::string head(size, '\0');
  const ssize_t got = ::pread(fd, head.data(), head.size(), 0);
  head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return hash_of(head);
}

FileIdentity identity_of(int fd) {
  FileIdentity file;
  if (const auto found = stat_of(fd)) {
    file.device = found->st_dev;
    file.inode = found->st_ino;
    file.head_bytes =
        std::min<std::uint64_t>(static_cast<std::uint64_t>(found->st_size), kHeadBytesMax);
    file.head_hash = head_hash(fd, file.head_bytes);
  }
  return file;
}

// The file may have grown since `then`.
bool is_same(int fd, const FileIdentity& then) {
  const auto found = stat_of(fd);
  return found && found->st_dev == then.device && found->st_ino == then.inode &&
         static_cast<std::uint64_t>(found->st_size) >= then.head_bytes &&
         head_hash(fd, then.head_bytes) == then.head_hash;
}

class Descriptor {
 public:
  Descriptor() = default;

  explicit Descriptor(int fd) : fd_(fd) {}

  ~Descriptor() { reset(-1); }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void reset(int fd) {
    if (fd_ > STDIN_FILENO) {
      ::close(fd_);
    }
    fd_ = fd;
  }

  int release() { return std::exchange(fd_, -1); }

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

int open_file(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

}  // namespace

struct LineReader::State {
  explicit State(Settings given) : settings(std::move(given)) {}

  ~State() {
    if (gz != nullptr) {
      gzclose_r(gz);
    }
  }

  bool is_stdin() const { return settings.path == "-"; }

  Status open();
  Status open_where_it_ended();
  Status start(int opened, std::uint64_t from);
  Result<std::size_t> read_more();
  Result<bool> turn_over();
  void skip(std::size_t size);
  bool find_line(std::optional<std::string_view>& line);
  void end_last_line();

  int file() const { return gz != nullptr ? gz_fd : fd.get(); }

  const Settings settings;
  Descriptor fd;
  gzFile gz = nullptr;
  int gz_fd = -1;  // owned by gz
  std::string buffer;
  std::size_t begin = 0;     // of what wasn't returned yet
  std::size_t searched = 0;  // no newline before
  std::uint64_t offset = 0;  // of `begin` in the file
  FileIdentity identity;
  bool is_skipping = false;  // within a line that is too long
  bool has_ended = false;
  bool has_resumed = false;
  std::uint64_t too_long = 0;
};

Status LineReader::State::open() {
  if (is_stdin()) {
    return start(STDIN_FILENO, 0);
  }
  if (settings.from) {
    WEIR_TRY(open_where_it_ended());
    if (has_resumed) {
      return Status::ok();
    }
  }
  const int opened = open_file(settings.path);
  return opened < 0 ? disk_failure(settings.path) : start(opened, 0);
}

// Under its own name, or under the one that it was rotated to.
Status LineReader::State::open_where_it_ended() {
  namespace fs = std::filesystem;
  std::vector<std::string> candidates{settings.path};
  const fs::path path(settings.path);
  const std::string name = path.filename().string();
  std::error_code failed;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator i(folder, failed), end; !failed && i != end; i.increment(failed)) {
    if (settings.follow && i->path().filename().string().starts_with(name)) {
      candidates.push_back(i->path().string());
    }
  }
  for (const std::string& candidate : candidates) {
    Descriptor opened(open_file(candidate));
    if (opened.get() < 0 || !is_same(opened.get(), settings.from->file)) {
      continue;
    }
    const auto found = stat_of(opened.get());
    const bool is_compressed = settings.path.ends_with(".gz");
    if (is_compressed || static_cast<std::uint64_t>(found->st_size) >= settings.from->offset) {
      has_resumed = true;
      return start(opened.release(), settings.from->offset);
    }
  }
  return Status::ok();
}

// Takes `opened` over.
Status LineReader::State::start(int opened, std::uint64_t from) {
  buffer.clear();
  begin = searched = 0;
  offset = from;
  is_skipping = false;
  if (!is_stdin() && settings.path.ends_with(".gz")) {
    gz_fd = opened;
    identity = identity_of(opened);
    gz = gzdopen(opened, "rb");
    if (gz == nullptr) {
      ::close(opened);
      return Status::stop(ExitCode::disk, "zlib: out of memory");
    }
    gzbuffer(gz, kChunkBytes);
    if (gzseek(gz, static_cast<z_off_t>(from), SEEK_SET) < 0) {
      return Status::stop(ExitCode::bad_input, fmt::format("{} can't be decompressed up to byte {}",
                                                           settings.path, from));
    }
    return Status::ok();
  }
  fd.reset(opened);
  identity = identity_of(opened);
  if (from > 0 && ::lseek(opened, static_cast<off_t>(from), SEEK_SET) < 0) {
    return disk_failure(settings.path);
  }
  return Status::ok();
}

// Appends to the buffer; 0: nothing there now.
Result<std::size_t> LineReader::State::read_more() {
  buffer.erase(0, begin);
  searched -= begin;
  begin = 0;
  const std::size_t held = buffer.size();
  buffer.resize(held + kChunkBytes);
  ssize_t got = 0;
  if (gz != nullptr) {
    got = gzread(gz, buffer.data() + held, kChunkBytes);
    int code = Z_OK;
    const char* why = gzerror(gz, &code);
    // At the end of a file that was cut short gzread returns 0 like at any other.
    if (got < 0 || (got == 0 && code == Z_BUF_ERROR)) {
      buffer.resize(held);
      return Status::stop(
          ExitCode::bad_input,
          fmt::format("{} is damaged or cut short behind byte {}: {}", settings.path, offset, why));
    }
  } else {
    got = ::read(fd.get(), buffer.data() + held, kChunkBytes);
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
      buffer.resize(held);
      return disk_failure(settings.path);
    }
  }
  buffer.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return buffer.size() - held;
}

// At the end of a followed file. True: there may be more to read at once.
Result<bool> LineReader::State::turn_over() {
  struct stat named {};

  const bool is_there = ::stat(settings.path.c_str(), &named) == 0;
  const auto held = stat_of(fd.get());
  if (!held) {
    return disk_failure(settings.path);
  }
  const std::uint64_t read_to = offset + (buffer.size() - begin);
  if (static_cast<std::uint64_t>(held->st_size) < read_to) {
    WEIR_TRY(start(fd.release(), 0));
    if (::lseek(fd.get(), 0, SEEK_SET) < 0) {
      return disk_failure(settings.path);
    }
    return true;
  }
  const bool is_rotated = is_there && named.st_size > 0 &&
                          (named.st_ino != held->st_ino || named.st_dev != held->st_dev);
  if (!is_rotated) {
    return false;
  }
  // Whoever writes has moved on to the new file, so what the old one holds by now is all.
  WEIR_TRY_ASSIGN(const std::size_t more, read_more());
  if (more > 0) {
    return true;
  }
  if (begin < buffer.size()) {
    end_last_line();
    return true;
  }
  const int opened = open_file(settings.path);
  if (opened < 0) {
    return false;  // rotated again: the next one comes
  }
  WEIR_TRY(start(opened, 0));
  return true;
}

// Gives the file's last line the newline that it lacks, without counting it.
void LineReader::State::end_last_line() {
  buffer.push_back('\n');
  --offset;
}

void LineReader::State::skip(std::size_t size) {
  begin += size;
  offset += size;
  searched = std::max(searched, begin);
}

// True: `line` is one, or nullopt for one that was skipped. False: no newline is there.
bool LineReader::State::find_line(std::optional<std::string_view>& line) {
  const std::size_t newline = buffer.find('\n', searched);
  if (newline == std::string::npos) {
    searched = buffer.size();
    if (buffer.size() - begin > kLineBytesMax) {
      is_skipping = true;
      skip(buffer.size() - begin);
    }
    return false;
  }
  const std::size_t size = newline - begin;
  if (is_skipping || size > kLineBytesMax) {
    is_skipping = false;
    ++too_long;
    line = std::nullopt;
  } else {
    line = std::string_view(buffer).substr(begin, size);
  }
  skip(size + 1);
  return true;
}

LineReader::LineReader(std::unique_ptr<State> state) : state_(std::move(state)) {}

LineReader::~LineReader() = default;

Result<std::unique_ptr<LineReader>> LineReader::open(Settings settings) {
  if (settings.follow && (settings.path == "-" || settings.path.ends_with(".gz"))) {
    return Status::stop(ExitCode::usage,
                        fmt::format("--follow: {} doesn't grow; follow a plain file",
                                    settings.path == "-" ? "standard input" : settings.path));
  }
  auto state = std::make_unique<State>(std::move(settings));
  WEIR_TRY(state->open());
  return std::unique_ptr<LineReader>(new LineReader(std::move(state)));
}

Result<std::optional<std::string_view>> LineReader::next() {
  State& s = *state_;
  bool has_waited = false;
  while (true) {
    std::optional<std::string_view> line;
    while (s.find_line(line)) {
      if (line) {
        return line;
      }
    }
    if (s.has_ended) {
      return std::optional<std::string_view>();
    }
    if (s.is_stdin()) {
      pollfd one{STDIN_FILENO, POLLIN, 0};
      if (::poll(&one, 1, kWaitMs) <= 0) {
        return std::optional<std::string_view>();
      }
    }
    WEIR_TRY_ASSIGN(const std::size_t more, s.read_more());
    if (more > 0) {
      continue;
    }
    if (s.settings.follow) {
      WEIR_TRY_ASSIGN(const bool has_more, s.turn_over());
      if (!has_more && std::exchange(has_waited, true)) {
        return std::optional<std::string_view>();
      }
      if (!has_more) {
        ::poll(nullptr, 0, kWaitMs);
      }
      continue;
    }
    s.has_ended = true;
    if (s.begin < s.buffer.size()) {
      s.end_last_line();
    }
  }
}

bool LineReader::has_ended() const {
  return state_->has_ended && state_->begin >= state_->buffer.size();
}

LinePlace LineReader::place() const {
  FileIdentity& file = state_->identity;
  if (file.head_bytes < kHeadBytesMax && file.head_bytes < state_->offset) {
    file = identity_of(state_->file());
  }
  return {file, state_->offset};
}

std::uint64_t LineReader::too_long() const {
  return state_->too_long;
}

bool LineReader::has_resumed() const {
  return state_->has_resumed;
}

std::optional<double> LineReader::share() const {
  const State& s = *state_;
  if (s.is_stdin() || s.settings.follow) {
    return std::nullopt;
  }
  const auto found = stat_of(s.file());
  if (!found || found->st_size <= 0) {
    return std::nullopt;
  }
  const auto read =
      s.gz != nullptr ? static_cast<double>(gzoffset(s.gz)) : static_cast<double>(s.offset);
  return std::min(1.0, read / static_cast<double>(found->st_size));
}

}  // namespace weir
