// The lines of a file, of one that grows and is rotated, or of standard input.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weir/status.h"

namespace weir {

// A file by what it is, not by its name: renamed it stays the same, and a new one under the same
// name or inode is another.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t head_bytes = 0;  // so many of its first bytes …
  std::uint64_t head_hash = 0;   // … are these
  std::uint64_t born_ns = 0;     // 0: the file system doesn't tell

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Where to read on.
struct LinePlace {
  FileIdentity file;
  std::uint64_t offset = 0;      // bytes, after decompression
  std::uint64_t tail_bytes = 0;  // so many before `offset` …
  std::uint64_t tail_hash = 0;   // … are these
  std::int64_t modified_ns = 0;  // the file, when it was read last before it was rotated
};

// One thread.
class LineReader {
 public:
  // Longer lines are skipped and counted.
  static constexpr std::size_t kLineBytesMax = std::size_t{32} << 20;

  struct Settings {
    std::string path;  // - is standard input; *.gz is decompressed
    bool follow = false;
    // Go on there. Where that file is neither at `path` nor, followed, beside it, also copied or as
    // .gz: with what was rotated after it was read last, or else `path`, from its beginning.
    std::optional<LinePlace> from;
    // Told what is missing, or may be.
    std::function<void(const std::string&)> warn = [](const std::string&) {};
  };

  // stop: disk where it can't be read, usage where it can't be followed.
  static Result<std::unique_ptr<LineReader>> open(Settings settings);

  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its newline, valid until the next call. nullopt: none now, after waiting
  // for a moment; has_ended() says whether one may still come.
  //
  // Followed, a line is whole: what has no newline yet waits for it, unless the file was rotated
  // away. A file that lost bytes, or has others where it was read, is read again from its
  // beginning. A rotated file is read to its end before the next one, which is when that has bytes:
  // what came beside it since, the oldest first, then `path` (file_after_held). What lies there
  // when reading begins is past, but for what is younger than the place to go on from.
  Result<std::optional<std::string_view>> next();

  bool has_ended() const;

  // Behind the line that next() returned last.
  LinePlace place() const;

  // Of lines that were skipped for their length.
  std::uint64_t too_long() const;

  // Whether the place to go on from was found; false without one.
  bool has_resumed() const;

  // The share of the file that was read, 0 … 1; nullopt: not known.
  std::optional<double> share() const;

 private:
  struct State;

  explicit LineReader(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace weir
