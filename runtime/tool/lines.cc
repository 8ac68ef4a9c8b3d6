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
#include <fmt/ranges.h>
#include <zlib.h>

#include "tool/rotation.h"

namespace weir {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr std::uint64_t kHeadBytesMax = 1024;
constexpr std::uint64_t kTailBytesMax = 256;
constexpr std::size_t kReadBeforeMax = 64;
constexpr int kWaitMs = 100;
constexpr std::int64_t kSecondNs = 1'000'000'000;

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

// Shorter where the file ends before, or can't be read.
std::string bytes_at(int fd, std::uint64_t from, std::uint64_t size) {
  std::string bytes(size, '\0');
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(from));
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

std::uint64_t head_hash(int fd, std::uint64_t size) {
  return hash_of(bytes_at(fd, 0, size));
}

// A truncation leaves a hole before the place of a writer that goes on there.
bool is_or_was_cut(std::string_view now, std::string_view then) {
  return std::equal(now.begin(), now.end(), then.begin(), then.end(),
                    [](char a, char b) { return a == b || a == '\0'; });
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

std::int64_t modified_ns(const struct stat& file) {
  return file.st_mtim.tv_sec * kSecondNs + file.st_mtim.tv_nsec;
}

// Whether `path`, decompressed where it is a .gz, begins as that file did.
bool has_head(const std::string& path, const FileIdentity& then) {
  const gzFile file = gzopen(path.c_str(), "rbe");
  if (file == nullptr || then.head_bytes == 0) {
    gzclose(file);
    return false;
  }
  std::string head(then.head_bytes, '\0');
  const int got = gzread(file, head.data(), static_cast<unsigned>(head.size()));
  gzclose(file);
  return std::cmp_equal(got, head.size()) && hash_of(head) == then.head_hash;
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

struct Folder {
  std::filesystem::path path;
  std::string followed;
  std::vector<SiblingFile> files;

  const SiblingFile* held() const { return find_held(followed, files); }
};

// What lies beside `path`, or where it links to. The held file is also one that was written since,
// has a name like it and begins alike: copied before it was cut, or compressed. `read`: before it.
Folder folder_of(const std::string& path, const FileIdentity& held, std::int64_t since_ns,
                 const std::vector<LinePlace>& read = {}) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const fs::path linked = fs::weakly_canonical(path, failed);
  const fs::path whole = fs::absolute(failed ? fs::path(path) : linked, failed);
  Folder folder{whole.parent_path(), whole.filename().string(), {}};
  const auto add = [&](const fs::path& found) {
    struct stat file {};

    if (::lstat(found.c_str(), &file) != 0 || !S_ISREG(file.st_mode)) {
      return;
    }
    const std::string name = found.filename().string();
    const auto bytes = static_cast<std::uint64_t>(file.st_size);
    const auto is_it = [&](const FileIdentity& then) {
      return then.inode == file.st_ino &&
             is_same(Descriptor(open_file(found.string())).get(), then);
    };
    // An empty file is known by its inode only, which another log's may have got.
    const bool may_be_held =
        held.head_bytes > 0 || name == folder.followed || is_rotated_name(folder.followed, name);
    const bool was_read = std::any_of(read.begin(), read.end(), [&](const LinePlace& end) {
      return end.offset == bytes && is_it(end.file);
    });
    folder.files.push_back(
        {name, bytes, modified_ns(file), file.st_ino, may_be_held && is_it(held), was_read});
  };
  failed.clear();
  for (fs::directory_iterator i(folder.path, failed), end; !failed && i != end;
       i.increment(failed)) {
    add(i->path());
  }
  if (failed) {  // who may not list the folder may still read the file
    folder.files.clear();
    add(whole);
  }
  if (folder.held() == nullptr) {
    std::vector<SiblingFile*> copies;
    for (SiblingFile& file : folder.files) {
      if (file.name != folder.followed && file.name.starts_with(whole.stem().string()) &&
          file.modified_ns >= since_ns && has_head((folder.path / file.name).string(), held)) {
        copies.push_back(&file);
      }
    }
    if (copies.size() == 1) {
      copies.front()->is_held = true;
    }
  }
  return folder;
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
  Status start(int opened, std::uint64_t from, const std::string& given_name);
  Status start_again();
  bool is_as_read(std::size_t held) const;
  Result<std::size_t> read_more();
  void warn_of_late_lines();
  Result<bool> turn_over();
  void warn_of_what_may_be_missing(const Folder& folder, const struct stat& held,
                                   const std::string& next_path);
  void skip(std::size_t size);
  bool find_line(std::optional<std::string_view>& line);
  void end_last_line();

  int file() const { return gz != nullptr ? gz_fd : fd.get(); }

  const Settings settings;
  Descriptor fd;
  gzFile gz = nullptr;
  int gz_fd = -1;            // owned by gz
  std::string buffer;        // from up to kTailBytesMax before `begin`
  std::size_t begin = 0;     // of what wasn't returned yet
  std::size_t searched = 0;  // no newline before
  std::uint64_t offset = 0;  // of `begin` in the file
  std::string name;          // of the file when it was opened
  FileIdentity identity;
  Descriptor left;                     // the file before this one
  std::uint64_t left_at = 0;           // its size when it was left
  std::vector<LinePlace> read_before;  // to their ends, by this run; the last ones
  bool is_regular = true;              // not a pipe
  bool is_skipping = false;            // within a line that is too long
  bool is_lent = false;                // the newline at the buffer's end isn't the file's
  std::string found_next;              // at the last look: which, or why there is none
  bool has_ended = false;
  bool has_resumed = false;
  bool has_warned = false;
  std::uint64_t too_long = 0;
};

Status LineReader::State::open() {
  if (is_stdin()) {
    return start(STDIN_FILENO, 0, settings.path);
  }
  if (settings.from) {
    WEIR_TRY(open_where_it_ended());
    if (has_resumed) {
      return Status::ok();
    }
  }
  const int opened = open_file(settings.path);
  return opened < 0 ? disk_failure(settings.path) : start(opened, 0, settings.path);
}

// Under its own name, or under the one that it was rotated to.
Status LineReader::State::open_where_it_ended() {
  const Folder folder = folder_of(settings.path, settings.from->file, 0);
  const SiblingFile* held = folder.held();
  if (held != nullptr && (settings.follow || held->name == folder.followed)) {
    const bool is_compressed = held->name.ends_with(".gz");
    const std::string renamed = (folder.path / held->name).string();
    Descriptor opened(open_file(renamed));
    if (opened.get() < 0) {
      return disk_failure(renamed);
    }
    if (is_compressed || held->bytes >= settings.from->offset) {
      has_resumed = true;
      return start(opened.release(), settings.from->offset, renamed);
    }
  }
  std::vector<std::string> rotated;
  for (const SiblingFile& file : folder.files) {
    if (is_hardly_another_log(folder.followed, file.name) && file.bytes > 0) {
      rotated.push_back(file.name);
    }
  }
  if (!settings.follow || rotated.empty()) {
    return Status::ok();
  }
  return Status::stop(
      ExitCode::bad_input,
      fmt::format("{}: the file that an earlier run was cut off in is gone, and any "
                  "of these may hold what came after it: {}; {}",
                  settings.path, fmt::join(rotated, ", "), kRotationWayOut));
}

// Takes `opened` over.
Status LineReader::State::start(int opened, std::uint64_t from, const std::string& given_name) {
  buffer.clear();
  begin = searched = 0;
  offset = from;
  is_skipping = is_lent = false;
  name = given_name;
  identity = identity_of(opened);
  if (gz != nullptr) {
    gzclose_r(std::exchange(gz, nullptr));
  }
  if (!is_stdin() && name.ends_with(".gz")) {
    fd.reset(-1);
    gz_fd = opened;
    gz = gzdopen(opened, "rb");
    if (gz == nullptr) {
      ::close(opened);
      return Status::stop(ExitCode::disk, "zlib: out of memory");
    }
    gzbuffer(gz, kChunkBytes);
    if (gzseek(gz, static_cast<z_off_t>(from), SEEK_SET) < 0) {
      return Status::stop(ExitCode::bad_input,
                          fmt::format("{} can't be decompressed up to byte {}", name, from));
    }
    return Status::ok();
  }
  fd.reset(opened);
  const auto found = stat_of(opened);
  is_regular = found && S_ISREG(found->st_mode);
  if (from > 0 && ::lseek(opened, static_cast<off_t>(from), SEEK_SET) < 0) {
    return disk_failure(name);
  }
  const std::uint64_t tail = std::min(from, kTailBytesMax);
  buffer = bytes_at(opened, from - tail, tail);
  begin = searched = buffer.size();
  return Status::ok();
}

// A file that was truncated. What is held of its last line is no longer in it.
Status LineReader::State::start_again() {
  WEIR_TRY(start(fd.release(), 0, std::string(name)));
  return ::lseek(fd.get(), 0, SEEK_SET) < 0 ? disk_failure(name) : Status::ok();
}

// Whether the file still has what was read of it, by its head and by what the first `held` bytes of
// the buffer end with: one that was truncated may have outgrown the place meanwhile. After a read,
// as only what was before it shows in what was read.
bool LineReader::State::is_as_read(std::size_t held) const {
  if (gz != nullptr || !settings.follow || !is_regular) {
    return true;
  }
  const std::string_view then =
      std::string_view(buffer).substr(0, held).substr(held - std::min(held, kTailBytesMax));
  const std::string tail = bytes_at(fd.get(), offset + (held - begin) - then.size(), then.size());
  const std::string head = bytes_at(fd.get(), 0, identity.head_bytes);
  return is_or_was_cut(tail, then) && (hash_of(head) == identity.head_hash ||
                                       is_or_was_cut(head, std::string(head.size(), '\0')));
}

// Appends to the buffer; 0: nothing there now.
Result<std::size_t> LineReader::State::read_more() {
  const std::size_t passed = begin - std::min(begin, kTailBytesMax);
  buffer.erase(0, passed);
  searched -= passed;
  begin -= passed;
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
          fmt::format("{} is damaged or cut short behind byte {}: {}", name, offset, why));
    }
  } else {
    got = ::read(fd.get(), buffer.data() + held, kChunkBytes);
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
      buffer.resize(held);
      return disk_failure(settings.path);
    }
  }
  buffer.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (buffer.size() > held && !is_as_read(held)) {
    WEIR_TRY(start_again());
    return read_more();  // once: there is nothing yet that could differ
  }
  return buffer.size() - held;
}

// Of several writers one may go on with the rotated file when another has begun the next one.
void LineReader::State::warn_of_late_lines() {
  const auto found = stat_of(left.get());
  if (found && found->st_nlink == 0) {
    left.reset(-1);  // deleted: it would keep its room on the disk
    return;
  }
  if (!found || static_cast<std::uint64_t>(found->st_size) <= left_at) {
    return;
  }
  std::error_code failed;
  const std::string path =
      std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", left.get()), failed).string();
  settings.warn(
      fmt::format("{0} grew behind byte {1} when {2} was read already, as whoever wrote it hadn't "
                  "moved on: these lines are not in the topic; to send them: tail -c +{3} {0} | "
                  "weir produce … -",
                  path, left_at, name, left_at + 1));
  left.reset(-1);
}

// At the end of a followed file. True: there may be more to read at once.
Result<bool> LineReader::State::turn_over() {
  warn_of_late_lines();
  const auto held = stat_of(file());
  if (!held) {
    return disk_failure(settings.path);
  }
  const std::uint64_t read_to = offset + (buffer.size() - begin);
  if (gz == nullptr &&
      (static_cast<std::uint64_t>(held->st_size) < read_to || !is_as_read(buffer.size()))) {
    WEIR_TRY(start_again());
    return true;
  }

  struct stat named {};

  if (::stat(settings.path.c_str(), &named) == 0 && named.st_ino == held->st_ino &&
      named.st_dev == held->st_dev) {
    return false;
  }
  // A compressor may keep the time to the second only.
  const Folder folder =
      folder_of(settings.path, identity, held->st_mtim.tv_sec * kSecondNs, read_before);
  const auto next = file_after_held(folder.followed, folder.files, modified_ns(*held));
  // A rotation may be under way, which renames one after the other.
  const std::string found = !next.is_ok()  ? next.status().message()
                            : next.value() ? std::to_string(next.value()->inode)
                                           : "";
  if (std::exchange(found_next, found) != found || found.empty()) {
    return false;
  }
  // Whoever writes has moved on to another file, so what the old one holds by now is all.
  WEIR_TRY_ASSIGN(const std::size_t more, read_more());
  if (more > 0) {
    return true;
  }
  if (begin < buffer.size()) {
    end_last_line();
    return true;
  }
  if (!next.is_ok()) {
    return next.status();
  }
  const std::string next_path = (folder.path / next.value()->name).string();
  Descriptor opened(open_file(next_path));
  if (opened.get() < 0 && errno != ENOENT) {
    return disk_failure(next_path);
  }
  const auto is = stat_of(opened.get());
  if (!is || is->st_ino != next.value()->inode) {
    return false;  // rotated again meanwhile
  }
  warn_of_what_may_be_missing(folder, *held, next_path);
  // Of an empty one nothing but its inode is known, which the next file may get.
  if (const FileIdentity read = identity_of(file()); offset > 0) {
    read_before.push_back({read, offset});
  }
  if (read_before.size() > kReadBeforeMax) {
    read_before.erase(read_before.begin());
  }
  left.reset(gz == nullptr ? fd.release() : -1);
  left_at = offset;
  WEIR_TRY(start(opened.release(), 0, next_path));
  return true;
}

// Once. By a name that tells no order nobody knows what was rotated behind the held file.
void LineReader::State::warn_of_what_may_be_missing(const Folder& folder, const struct stat& held,
                                                    const std::string& next_path) {
  const SiblingFile* kept = folder.held();
  const bool is_gone = kept == nullptr;
  const auto may_be_between = [&](const SiblingFile& file) {
    return is_rotated_name(folder.followed, file.name) && !file.is_held && !file.was_read &&
           file.modified_ns > modified_ns(held);
  };
  const bool may_miss =
      is_gone || (!is_rotated_name(folder.followed, kept->name) &&
                  std::any_of(folder.files.begin(), folder.files.end(), may_be_between));
  if (!may_miss || std::exchange(has_warned, true)) {
    return;
  }
  settings.warn(
      fmt::format("the file that was read until now {}: going on with {}; if another was written "
                  "between them, send it by `weir produce FILE`",
                  is_gone ? fmt::format("is no longer beside {}", settings.path)
                          : fmt::format("is {} now, which tells no order", kept->name),
                  next_path));
}

// Lends the file's last line the newline that it lacks; find_line() takes it back.
void LineReader::State::end_last_line() {
  buffer.push_back('\n');
  is_lent = true;
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
  if (std::exchange(is_lent, false)) {
    buffer.pop_back();
    searched = --begin;
    --offset;
  }
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
