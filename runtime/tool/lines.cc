#include "tool/lines.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

#include "tool/rotation.h"

namespace weir {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr std::uint64_t kHeadBytesMax = 1024;
constexpr std::uint64_t kTailBytesMax = 256;
constexpr std::size_t kReadBeforeMax = 1'000;
constexpr int kWaitMs = 100;
// A rotation has renamed its files, and a compressor has written, within.
constexpr std::chrono::milliseconds kRenamedWithin{50};
constexpr std::chrono::milliseconds kWrittenWithin{2'000};
constexpr std::int64_t kSecondNs = 1'000'000'000;

Status disk_failure(const std::string& path) {
  return Status::stop(ExitCode::disk, fmt::format("can't read {}: {}", path, std::strerror(errno)));
}

// The same program reads it again.
std::uint64_t hash_of(std::string_view bytes) {
  return std::hash<std::string_view>{}(bytes);
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

// An inode that is free again is given to the next file as a rule.
std::uint64_t born_ns(int fd) {
  struct statx found {};

  const bool is_told = ::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &found) == 0 &&
                       (found.stx_mask & STATX_BTIME) != 0;
  return is_told ? static_cast<std::uint64_t>(found.stx_btime.tv_sec * kSecondNs) +
                       found.stx_btime.tv_nsec
                 : 0;
}

FileIdentity identity_of(int fd) {
  FileIdentity file;
  if (const auto found = stat_of(fd)) {
    file.device = found->st_dev;
    file.inode = found->st_ino;
    file.head_bytes =
        std::min<std::uint64_t>(static_cast<std::uint64_t>(found->st_size), kHeadBytesMax);
    file.head_hash = head_hash(fd, file.head_bytes);
    file.born_ns = born_ns(fd);
  }
  return file;
}

// The file may have grown since `then`.
bool is_same(int fd, const FileIdentity& then) {
  const auto found = stat_of(fd);
  const std::uint64_t born = born_ns(fd);
  const bool is_born_alike = born == then.born_ns || born == 0 || then.born_ns == 0;
  return found && found->st_dev == then.device && found->st_ino == then.inode && is_born_alike &&
         static_cast<std::uint64_t>(found->st_size) >= then.head_bytes &&
         head_hash(fd, then.head_bytes) == then.head_hash;
}

std::int64_t modified_ns(const struct stat& file) {
  return file.st_mtim.tv_sec * kSecondNs + file.st_mtim.tv_nsec;
}

// Of `path`, decompressed where it is a .gz; shorter where it ends before, nullopt where it can't
// be read.
std::optional<std::string> text_at(const std::string& path, std::uint64_t from,
                                   std::uint64_t size) {
  const gzFile file = gzopen(path.c_str(), "rbe");
  std::string text(size, '\0');
  const int got = file != nullptr && gzseek(file, static_cast<z_off_t>(from), SEEK_SET) >= 0
                      ? gzread(file, text.data(), static_cast<unsigned>(size))
                      : -1;
  gzclose(file);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return got >= 0 ? std::optional(std::move(text)) : std::nullopt;
}

bool has_text(const std::string& path, std::uint64_t from, std::uint64_t size, std::uint64_t hash) {
  const auto text = text_at(path, from, size);
  return text && text->size() == size && hash_of(*text) == hash;
}

bool has_head(const std::string& path, const FileIdentity& then) {
  return then.head_bytes > 0 && has_text(path, 0, then.head_bytes, then.head_hash);
}

bool has_tail(const std::string& path, const LinePlace& then) {
  return then.tail_bytes == 0 ||
         has_text(path, then.offset - then.tail_bytes, then.tail_bytes, then.tail_hash);
}

bool ends_at(const std::string& path, std::uint64_t offset) {
  const auto text = text_at(path, offset, 1);
  return text && text->empty();
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

  std::string path_of(const SiblingFile& file) const { return (path / file.name).string(); }

  std::string path_of_followed() const { return (path / followed).string(); }
};

// The files beside `path`, or beside what it links to; which is held and what is past isn't asked.
Folder folder_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const fs::path linked = fs::weakly_canonical(path, failed);
  const fs::path whole = fs::absolute(failed ? fs::path(path) : linked, failed);
  Folder folder{whole.parent_path(), whole.filename().string(), {}};
  const auto add = [&](const fs::path& found) {
    struct stat file {};

    if (::lstat(found.c_str(), &file) == 0 && S_ISREG(file.st_mode)) {
      folder.files.push_back({found.filename().string(), static_cast<std::uint64_t>(file.st_size),
                              modified_ns(file), file.st_ino, false, false});
    }
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
  return folder;
}

bool is_gz(const SiblingFile& file) {
  return file.name.ends_with(".gz");
}

// Whether `file` is the one of that place, by whatever name. An empty one is known by its inode
// only, which another log's may have got.
bool is_it(const Folder& folder, const SiblingFile& file, const LinePlace& place) {
  const bool may_be = place.file.head_bytes > 0 || file.name == folder.followed ||
                      is_rotated_name(folder.followed, file.name);
  const std::string path = folder.path_of(file);
  return file.inode == place.file.inode && may_be &&
         is_same(Descriptor(open_file(path)).get(), place.file) &&
         (is_gz(file) || has_tail(path, place));
}

// Whether it has what was read up to that place, as a copy and what was compressed have.
bool is_copy(const Folder& folder, const SiblingFile& file, const LinePlace& place) {
  const std::string path = folder.path_of(file);
  return is_rotated_name(folder.followed, file.name) &&
         !is_being_compressed(file.name, folder.files) && has_head(path, place.file) &&
         has_tail(path, place);
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
  LinePlace place();
  void mark(Folder& folder, const LinePlace& held);
  bool is_past(const Folder& folder, const SiblingFile& file, std::int64_t since_ns) const;
  void call_past(const Folder& folder, std::int64_t before_ns);
  Status start(int opened, std::uint64_t from, const std::string& given_name);
  Status start_again();
  bool is_as_read(std::size_t held) const;
  Result<std::size_t> read_more();
  void warn_of_late_lines();
  bool is_settled(const Folder& folder, const Result<std::optional<SiblingFile>>& next);
  Result<bool> turn_over();
  void skip(std::size_t size);
  bool find_line(std::optional<std::string_view>& line);
  bool has_last_line() const;
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
  std::int64_t modified_at = 0;  // when it was read last before it was rotated
  bool is_rotated = false;
  Descriptor left;            // the file before this one
  std::uint64_t left_at = 0;  // its size when it was left
  std::string followed_path;  // whole, and not a link
  Folder last_look;
  std::vector<LinePlace> read_before;  // to their ends, by this run; the last ones
  // Files that were there before all that is to be read: inode and time of modification.
  std::set<std::pair<std::uint64_t, std::int64_t>> older;
  bool is_regular = true;    // not a pipe
  bool is_skipping = false;  // within a line that is too long
  bool is_lent = false;      // the newline at the buffer's end isn't the file's
  std::string found_next;    // at the last look: which, or why there is none
  std::chrono::steady_clock::time_point found_at{};
  bool has_ended = false;
  bool has_resumed = false;
  std::uint64_t too_long = 0;
};

Status LineReader::State::open() {
  if (is_stdin()) {
    return start(STDIN_FILENO, 0, settings.path);
  }
  if (settings.from) {
    return open_where_it_ended();
  }
  if (settings.follow) {
    call_past(folder_of(settings.path), std::numeric_limits<std::int64_t>::max());
  }
  const int opened = open_file(settings.path);
  return opened < 0 ? disk_failure(settings.path) : start(opened, 0, settings.path);
}

// Under its own name, or under the one that it was rotated to.
Status LineReader::State::open_where_it_ended() {
  Folder folder = folder_of(settings.path);
  const LinePlace& from = *settings.from;
  mark(folder, from);
  call_past(folder, from.modified_ns);
  const SiblingFile* held = folder.held();
  has_resumed = held != nullptr && (settings.follow || held->name == folder.followed);
  std::string next = has_resumed ? folder.path_of(*held) : settings.path;
  if (!has_resumed && settings.follow) {
    mark(folder, from);
    WEIR_TRY_ASSIGN(const auto after,
                    file_after_held(folder.followed, folder.files, from.modified_ns));
    next = after ? folder.path_of(*after) : next;
  }
  Descriptor opened(open_file(next));
  if (opened.get() < 0) {
    return disk_failure(next);
  }
  if (!has_resumed) {
    settings.warn(
        fmt::format("the file of {} that an earlier run was cut off in is gone, or was truncated, "
                    "and what that run didn't read of it: beginning with {}",
                    settings.path, next));
  }
  WEIR_TRY(start(opened.release(), has_resumed ? from.offset : 0, next));
  if (has_resumed) {
    is_rotated = held->name != folder.followed;
    modified_at = from.modified_ns;
  }
  return Status::ok();
}

LinePlace LineReader::State::place() {
  if (identity.head_bytes < kHeadBytesMax && identity.head_bytes < offset) {
    identity = identity_of(file());
  }
  const std::uint64_t tail = std::min<std::uint64_t>(begin, kTailBytesMax);
  return {identity, offset, tail, hash_of(std::string_view(buffer).substr(begin - tail, tail)),
          modified_at};
}

// Says of each file whether it is the held one, which is open or else of that place, and whether it
// is past. What didn't change since the last look isn't read again.
void LineReader::State::mark(Folder& folder, const LinePlace& held) {
  const std::int64_t since_ns = compressed_since(held.modified_ns);
  const auto open = stat_of(file());
  const auto is_open = [&](const SiblingFile& file) {
    struct stat named {};

    return file.inode == open->st_ino && ::stat(folder.path_of(file).c_str(), &named) == 0 &&
           named.st_ino == open->st_ino && named.st_dev == open->st_dev;
  };
  for (SiblingFile& file : folder.files) {
    const auto same =
        std::find_if(last_look.files.begin(), last_look.files.end(), [&](const SiblingFile& then) {
          return then.name == file.name && then.inode == file.inode && then.bytes == file.bytes &&
                 then.modified_ns == file.modified_ns;
        });
    if (same != last_look.files.end()) {
      file = *same;
      continue;
    }
    file.is_held = open ? is_open(file) : is_it(folder, file, held);
    file.is_past = !file.is_held && is_past(folder, file, since_ns);
  }
  const SiblingFile* named = folder.held();
  const std::uint64_t bytes = open ? static_cast<std::uint64_t>(open->st_size) : 0;
  std::vector<SiblingFile*> copies;
  for (SiblingFile& file : folder.files) {
    const bool may_be = named == nullptr || (open && is_gz(file));
    if (may_be && !file.is_held && file.name != folder.followed && !file.is_past &&
        file.modified_ns >= since_ns && is_copy(folder, file, held) &&
        (!open || gz != nullptr || ends_at(folder.path_of(file), bytes))) {
      copies.push_back(&file);
    }
  }
  if (named == nullptr && copies.size() == 1) {
    copies.front()->is_held = true;
  }
  for (SiblingFile* copy : copies) {
    copy->is_past = named != nullptr;  // what the held one is being compressed to
  }
  last_look = folder;
  std::erase_if(last_look.files, [&](const SiblingFile& file) {
    return is_being_compressed(file.name, folder.files);
  });
}

bool LineReader::State::is_past(const Folder& folder, const SiblingFile& file,
                                std::int64_t since_ns) const {
  const bool may_be_compressed = is_gz(file) && file.modified_ns >= since_ns;
  return older.contains({file.inode, file.modified_ns}) ||
         std::any_of(read_before.begin(), read_before.end(), [&](const LinePlace& end) {
           return is_it(folder, file, end) || (may_be_compressed && is_copy(folder, file, end) &&
                                               ends_at(folder.path_of(file), end.offset));
         });
}

// All that were rotated and modified before, but the held one.
void LineReader::State::call_past(const Folder& folder, std::int64_t before_ns) {
  followed_path = folder.path_of_followed();
  for (const SiblingFile& file : folder.files) {
    const bool is_before =
        file.modified_ns < (is_gz(file) ? compressed_since(before_ns) : before_ns);
    if (is_before && !file.is_held && is_rotated_name(folder.followed, file.name)) {
      older.insert({file.inode, file.modified_ns});
    }
  }
  last_look = {};
}

// Takes `opened` over.
Status LineReader::State::start(int opened, std::uint64_t from, const std::string& given_name) {
  buffer.clear();
  begin = searched = 0;
  offset = from;
  is_skipping = is_lent = is_rotated = false;
  name = given_name;
  last_look = {};
  identity = identity_of(opened);
  const auto found = stat_of(opened);
  is_regular = found && S_ISREG(found->st_mode);
  modified_at = found ? modified_ns(*found) : 0;
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
  if (!is_regular) {
    return Status::ok();
  }
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
  // Of several writers one may go on with a rotated file, which makes it no younger than the next.
  if (const auto found = stat_of(file()); found && !is_rotated) {
    modified_at = modified_ns(*found);
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

// A rotation may be under way, which renames one after the other, or a compressor.
bool LineReader::State::is_settled(const Folder& folder,
                                   const Result<std::optional<SiblingFile>>& next) {
  std::string found = !next.is_ok()  ? next.status().message()
                      : next.value() ? std::to_string(next.value()->inode)
                                     : "";
  // One that is compressed has its time when that is done, as a rule that of the file before.
  const auto is_fresh = [](const SiblingFile& file) {
    const std::chrono::nanoseconds age = std::chrono::system_clock::now().time_since_epoch() -
                                         std::chrono::nanoseconds(file.modified_ns);
    return age < kWrittenWithin;
  };
  const bool may_grow =
      !next.is_ok() || (next.value() && is_gz(*next.value()) && is_fresh(*next.value()));
  for (const SiblingFile& file : folder.files) {
    if (may_grow && is_rotated_name(folder.followed, file.name)) {
      found += fmt::format(" {}", file.bytes);
    }
  }
  const auto now = std::chrono::steady_clock::now();
  if (std::exchange(found_next, found) != found) {
    found_at = now;
  }
  return !found.empty() && now - found_at >= (may_grow ? kWrittenWithin : kRenamedWithin);
}

// At the end of a followed file. True: there may be more to read at once.
Result<bool> LineReader::State::turn_over() {
  warn_of_late_lines();
  if (!is_regular) {
    return false;
  }
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

  const bool is_there = ::stat(settings.path.c_str(), &named) == 0;
  if (is_there && named.st_ino == held->st_ino && named.st_dev == held->st_dev) {
    return false;
  }
  // Where a link leads to can't be asked while nothing is there.
  Folder folder = folder_of(is_there ? settings.path : followed_path);
  if (folder.path_of_followed() != followed_path) {  // it leads elsewhere now
    call_past(folder, std::numeric_limits<std::int64_t>::max());
  }
  is_rotated = true;
  mark(folder, place());
  const auto next = file_after_held(folder.followed, folder.files, modified_at);
  if (!is_settled(folder, next)) {
    return false;
  }
  // Whoever writes has moved on to another file, so what the old one holds by now is all.
  WEIR_TRY_ASSIGN(const std::size_t more, read_more());
  if (more > 0) {
    return true;
  }
  if (has_last_line()) {
    end_last_line();
    return true;
  }
  if (!next.is_ok()) {
    return next.status();
  }
  const std::string next_path = folder.path_of(*next.value());
  Descriptor opened(open_file(next_path));
  if (opened.get() < 0 && errno != ENOENT) {
    return disk_failure(next_path);
  }
  const auto is = stat_of(opened.get());
  if (!is || is->st_ino != next.value()->inode) {
    return false;  // rotated again meanwhile
  }
  const SiblingFile* kept = folder.held();
  const bool is_named = kept != nullptr && (is_rotated_name(folder.followed, kept->name) ||
                                            kept->name.ends_with(".tmp"));  // as Logback compresses
  if (!is_named) {
    settings.warn(
        fmt::format("the file that was read until now is {} {}: going on with {}; if another was "
                    "written between them, send it by `weir produce FILE`",
                    kept == nullptr ? "no longer beside" : kept->name + " now, no rotated name of",
                    settings.path, next_path));
  }
  // Of an empty one nothing but its inode is known, which the next file may get.
  if (offset > 0 || gz != nullptr) {
    LinePlace end = place();
    if (gz == nullptr) {  // as it is now: a truncation may have left a hole
      end.file = identity_of(fd.get());
      end.tail_hash = hash_of(bytes_at(fd.get(), offset - end.tail_bytes, end.tail_bytes));
    }
    read_before.push_back(end);
  }
  if (read_before.size() > kReadBeforeMax) {
    read_before.erase(read_before.begin());
  }
  left.reset(gz == nullptr ? fd.release() : -1);
  left_at = offset;
  WEIR_TRY(start(opened.release(), 0, next_path));
  return true;
}

// Whether something without a newline is at the end.
bool LineReader::State::has_last_line() const {
  return begin < buffer.size() || is_skipping;
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
    settings.warn(fmt::format("{}: the line that ends at byte {} is longer than {} MiB: not sent",
                              name, offset + size, kLineBytesMax >> 20));
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
    if (!s.is_regular) {
      pollfd one{s.file(), POLLIN, 0};
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
    if (s.has_last_line()) {
      s.end_last_line();
    }
  }
}

bool LineReader::has_ended() const {
  return state_->has_ended && state_->begin >= state_->buffer.size();
}

LinePlace LineReader::place() const {
  return state_->place();
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
