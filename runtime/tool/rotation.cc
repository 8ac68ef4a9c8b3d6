#include "tool/rotation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weir {

namespace {

constexpr std::array<std::string_view, 9> kCompressed = {".gz",  ".bz2", ".xz",  ".zst", ".lz4",
                                                         ".lzo", ".Z",   ".zip", ".br"};
// More of them are a date or a time.
constexpr std::size_t kNumberDigitsMax = 4;

using Order = std::function<bool(const SiblingFile&, const SiblingFile&)>;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Without the extension of a compressor.
std::string_view uncompressed_name(std::string_view name) {
  for (const std::string_view extension : kCompressed) {
    if (name.ends_with(extension)) {
      return name.substr(0, name.size() - extension.size());
    }
  }
  return name;
}

// Each number as one #: equal for the files of one rotation, whichever way it names them.
std::string shape(std::string_view name) {
  std::string all;
  for (const char c : uncompressed_name(name)) {
    if (!is_digit(c)) {
      all += c;
    } else if (!all.ends_with('#')) {
      all += '#';
    }
  }
  return all;
}

// The only number behind the name.
std::optional<int> number(std::string_view followed, std::string_view name) {
  name = uncompressed_name(name);
  if (!is_rotated_name(followed, name) || name.size() > followed.size() + 1 + kNumberDigitsMax) {
    return std::nullopt;
  }
  int found = 0;
  const auto [end, failed] =
      std::from_chars(name.data() + followed.size() + 1, name.data() + name.size(), found);
  return failed == std::errc() && end == name.data() + name.size() ? std::optional(found)
                                                                   : std::nullopt;
}

bool is_older(const SiblingFile& a, const SiblingFile& b) {
  return a.modified_ns < b.modified_ns;
}

Status unreadable(const std::string& followed, std::string_view why,
                  const std::vector<SiblingFile>& files) {
  std::vector<std::string> names;
  for (const SiblingFile& file : files) {
    names.push_back(file.name);
  }
  return Status::stop(ExitCode::bad_input,
                      fmt::format("behind what was read of {} {}: {}; {}", followed, why,
                                  fmt::join(names, ", "), kRotationWayOut));
}

// Those behind the held one in this order; nullopt: the times contradict it.
std::optional<std::vector<SiblingFile>> after_held(std::vector<SiblingFile> files,
                                                   const Order& order, std::int64_t held_ns) {
  std::sort(files.begin(), files.end(), order);
  const auto is_held = [](const auto& file) { return file.is_held; };
  const auto is_later = [held_ns](const auto& file) { return file.modified_ns > held_ns; };
  const auto is_earlier = [held_ns](const auto& file) { return file.modified_ns < held_ns; };
  auto first = std::find_if(files.begin(), files.end(), is_held);
  first = first != files.end() ? first + 1 : std::find_if(files.begin(), files.end(), is_later);
  if (std::any_of(files.begin(), first, is_later) || std::any_of(first, files.end(), is_earlier) ||
      !std::is_sorted(first, files.end(), is_older)) {
    return std::nullopt;
  }
  return std::vector<SiblingFile>(first, files.end());
}

std::vector<SiblingFile> rotated_files(const std::string& followed,
                                       const std::vector<SiblingFile>& siblings) {
  const auto held =
      std::find_if(siblings.begin(), siblings.end(), [](const auto& f) { return f.is_held; });
  const bool is_found = held != siblings.end();
  std::vector<SiblingFile> rotated;
  for (const SiblingFile& file : siblings) {
    // Beside app.1, app-2 is of another log.
    const bool is_foreign = is_found && is_rotated_name(followed, held->name) &&
                            !file.name.starts_with(held->name.substr(0, followed.size() + 1));
    const bool is_one = (is_rotated_name(followed, file.name) && !is_foreign) ||
                        (is_found && shape(file.name) == shape(held->name));
    // While it is being compressed, it is there twice.
    const std::string_view plain = uncompressed_name(file.name);
    const bool is_copy =
        plain != file.name && std::any_of(siblings.begin(), siblings.end(),
                                          [plain](const auto& f) { return f.name == plain; });
    if (file.is_held || (is_one && !is_copy && file.bytes > 0 && file.name != followed)) {
      rotated.push_back(file);
    }
  }
  return rotated;
}

}  // namespace

bool is_rotated_name(std::string_view followed, std::string_view name) {
  constexpr std::string_view kSeparators = ".-_@";
  return name.size() > followed.size() + 1 && name.starts_with(followed) &&
         kSeparators.find(name[followed.size()]) != std::string_view::npos &&
         is_digit(name[followed.size() + 1]);
}

Result<std::optional<SiblingFile>> file_after_held(const std::string& followed,
                                                   const std::vector<SiblingFile>& siblings,
                                                   std::int64_t held_ns) {
  std::vector<SiblingFile> files = rotated_files(followed, siblings);
  for (SiblingFile& file : files) {
    file.modified_ns = file.is_held ? held_ns : file.modified_ns;
  }
  const auto number_of = [&followed](const auto& file) { return number(followed, file.name); };
  // log.1 is the youngest as a rule, and the oldest for some.
  std::vector<Order> orders{
      [&](const auto& a, const auto& b) { return number_of(a) > number_of(b); },
      [&](const auto& a, const auto& b) { return number_of(a) < number_of(b); }};
  if (!std::all_of(files.begin(), files.end(), number_of)) {
    orders = {[](const auto& a, const auto& b) {
      return std::tie(a.modified_ns, a.name) < std::tie(b.modified_ns, b.name);
    }};
  }
  for (const Order& order : orders) {
    const std::optional<std::vector<SiblingFile>> after = after_held(files, order, held_ns);
    if (after && !after->empty()) {
      const std::string& name = after->front().name;
      return uncompressed_name(name) == name || name.ends_with(".gz")
                 ? Result(std::optional(after->front()))
                 : unreadable(followed, "lies what can't be decompressed", *after);
    }
    if (after) {
      const auto newest = std::find_if(siblings.begin(), siblings.end(), [&](const auto& file) {
        return file.name == followed && file.bytes > 0;
      });
      return newest != siblings.end() ? std::optional(*newest) : std::nullopt;
    }
  }
  return unreadable(followed, "the order isn't clear, as times and numbers disagree", files);
}

}  // namespace weir
