#include "host/run_file.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "host/command_line.h"
#include "host/json_struct.h"
#include "http/escape.h"
#include "state/file_lock.h"
#include "text/quantity.h"

namespace weir {

namespace {

namespace fs = std::filesystem;

// A process that is merely slow is seen earlier.
constexpr std::chrono::seconds kUnseenMax = 4 * RunFile::kSeenEvery;
// Behind the name of an entry that is being written.
constexpr std::string_view kUnfinished = ".new";
// Longer than that takes.
constexpr std::chrono::seconds kWritingMax{1};

std::string read(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string quoted_for_shell(const std::string& word) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=,@%+";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
    return word;
  }
  std::string quoted = "'";
  for (const char c : word) {
    quoted += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return quoted + "'";
}

// What started this process, `settings` before it. Without what was said for that one run.
std::string own_command(const std::string& settings = "") {
  std::error_code failed;
  std::string command =
      "cd " + quoted_for_shell(fs::current_path(failed).string()) + " && " + settings;
  const std::string words = read("/proc/self/cmdline");
  const std::string once = "--trust-offset";
  bool is_value = false;  // of that option
  for (std::size_t begin = 0; begin < words.size();) {
    const std::size_t end = std::min(words.find('\0', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    if (!is_value && word != once && !word.starts_with(once + "=")) {
      command += (begin == 0 ? "" : " ") + quoted_for_shell(word);
    }
    is_value = word == once;
    begin = end + 1;
  }
  return command;
}

std::vector<std::string> variables_of(const config::Deployment& deployment) {
  std::set<std::string> names;
  for (const config::Setting& setting : deployment.settings) {
    if (setting.place.source.starts_with("WEIR__")) {
      names.insert(setting.place.source);
    }
    for (const std::string& part : setting.parts) {
      if (part.starts_with("${") && !part.starts_with("${file:")) {
        names.insert(part.substr(2, part.size() - 3));
      }
    }
  }
  return {names.begin(), names.end()};
}

RunEntry::Failure failure_of(const google::protobuf::Struct& why) {
  return {field(why, "at").string_value(), static_cast<int>(field(why, "exit_code").number_value()),
          field(why, "reason").string_value()};
}

std::optional<RunEntry> parse(const std::string& json) {
  const auto run = parse_json(json);
  if (!run) {
    return std::nullopt;
  }
  RunEntry entry{.deployment = field(*run, "deployment").string_value(),
                 .version = static_cast<int>(field(*run, "version").number_value()),
                 .instance = field(*run, "instance").string_value(),
                 .pid = static_cast<std::int64_t>(field(*run, "pid").number_value()),
                 .address = field(*run, "http").string_value(),
                 .command = field(*run, "command").string_value()};
  for (const auto& variable : field(*run, "variables").list_value().values()) {
    entry.variables.push_back(variable.string_value());
  }
  if (const auto& failure = field(*run, "failure"); failure.has_struct_value()) {
    entry.failure = failure_of(failure.struct_value());
    entry.crash_loop = {1, *entry.failure, *entry.failure};  // unless it says more
  }
  if (const auto& value = field(*run, "crash_loop"); value.has_struct_value()) {
    const auto& loop = value.struct_value();
    entry.crash_loop = {static_cast<int>(field(loop, "starts").number_value()),
                        failure_of(field(loop, "first").struct_value()),
                        failure_of(field(loop, "last").struct_value())};
  }
  entry.is_new = field(*run, "new").bool_value();
  return entry;
}

std::optional<std::chrono::system_clock::time_point> written(const fs::path& file) {
  std::error_code failed;
  const auto time = fs::last_write_time(file, failed);
  return failed ? std::nullopt : std::optional(std::chrono::file_clock::to_sys(time));
}

// Whose entry couldn't be written, by the name that was meant for it; nullopt: it is whole, or
// being written.
std::optional<RunEntry> parse_unfinished(const fs::path& file) {
  const auto since = written(file);
  if (!since || std::chrono::system_clock::now() - *since < kWritingMax || parse_json(read(file))) {
    return std::nullopt;
  }
  const std::string name = file.stem().stem().string();
  const std::size_t version = name.rfind(".v");
  const std::size_t instance = name.find('-', std::min(version, name.size()));
  if (instance == std::string::npos) {
    return std::nullopt;
  }
  return RunEntry{.deployment = name.substr(0, version),
                  .version = std::atoi(name.c_str() + version + 2),
                  .instance = name.substr(instance + 1),
                  .seen = since,
                  .is_cut_short = true};
}

// What tells entries apart.
auto identity(const RunEntry& entry) {
  return std::tie(entry.deployment, entry.version, entry.instance);
}

std::string json_of(const RunEntry& entry) {
  return fmt::format(
      R"({{"deployment": {}, "version": {}, "instance": {}, "pid": {}, "http": {}, "failure": {}, )"
      R"("crash_loop": {}, "new": {}, "command": {}, "variables": {}}})"
      "\n",
      json_string(entry.deployment), entry.version, json_string(entry.instance), entry.pid,
      json_string(entry.address), json_of(entry.failure), json_of(entry.crash_loop), entry.is_new,
      json_string(entry.command), json_list(entry.variables));
}

// With `failure` as its end.
RunEntry::CrashLoop longer(const std::optional<RunEntry::CrashLoop>& loop,
                           const RunEntry::Failure& failure) {
  return loop ? RunEntry::CrashLoop{loop->starts + 1, loop->first, failure}
              : RunEntry::CrashLoop{1, failure, failure};
}

// As ps shows it: 'R', 'T'. nullopt: the pid is nobody's.
std::optional<char> process_state(std::int64_t pid) {
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) {
    return std::nullopt;
  }
  const std::string stat = read(fmt::format("/proc/{}/stat", pid));
  const std::size_t name_end = stat.rfind(") ");
  return name_end == stat.npos || name_end + 2 >= stat.size() ? '?' : stat[name_end + 2];
}

}  // namespace

std::string json_of(const std::optional<RunEntry::Failure>& failure) {
  return failure ? fmt::format(R"({{"at": {}, "exit_code": {}, "reason": {}}})",
                               json_string(failure->at), failure->exit_code,
                               json_string(failure->reason))
                 : "null";
}

std::string json_of(const std::optional<RunEntry::CrashLoop>& loop) {
  return loop ? fmt::format(R"({{"starts": {}, "first": {}, "last": {}}})", loop->starts,
                            json_of(std::optional(loop->first)), json_of(std::optional(loop->last)))
              : "null";
}

bool RunEntry::is_gone() const {
  if (failure) {
    return false;
  }
  // Or of a process that ended and that nobody has waited for: where the process 1 of a container
  // waits for none, for ever.
  const bool is_nobodys = pid != 0 && process_state(pid).value_or('Z') == 'Z';
  return (is_nobodys || is_unseen()) && !held_lock();
}

bool RunEntry::is_unseen() const {
  return seen && std::chrono::system_clock::now() - *seen > kUnseenMax;
}

bool RunEntry::is_stopped() const {
  const std::optional<char> state = pid == 0 ? std::nullopt : process_state(pid);
  return state == 'T' || state == 't';
}

std::optional<std::string> RunEntry::held_lock() const {
  config::Deployment instance_of;
  instance_of.state = file.parent_path().parent_path();
  instance_of.id = deployment;
  instance_of.version = version;
  instance_of.instance = instance;
  return FileLock::holder(lock_file(instance_of));
}

fs::path lock_file(const config::Deployment& deployment) {
  return fs::path(deployment.state_directory()) / "lock";
}

std::vector<RunEntry> read_run_files(const fs::path& state) {
  std::vector<RunEntry> all;
  std::vector<RunEntry> unfinished;
  std::error_code failed;
  for (fs::directory_iterator i(state / "run", failed), end; !failed && i != end;
       i.increment(failed)) {
    const fs::path& file = i->path();
    if (file.extension() == kUnfinished) {
      if (std::optional<RunEntry> entry = parse_unfinished(file)) {
        entry->file = file;
        unfinished.push_back(std::move(*entry));
      }
    } else if (file.extension() == ".json") {
      if (std::optional<RunEntry> entry = parse(read(file))) {
        entry->seen = written(file);
        entry->file = file;
        all.push_back(std::move(*entry));
      }
    }
  }
  for (RunEntry& entry : unfinished) {
    const auto earlier = std::find_if(all.begin(), all.end(), [&](const RunEntry& other) {
      return identity(entry) == identity(other);
    });
    if (earlier == all.end()) {
      all.push_back(std::move(entry));
    } else {
      earlier->is_cut_short = true;
      earlier->seen = entry.seen;
      earlier->file = entry.file;
    }
  }
  std::sort(all.begin(), all.end(),
            [](const RunEntry& a, const RunEntry& b) { return identity(a) < identity(b); });
  return all;
}

RunFile::RunFile(const config::Deployment& deployment)
    : state_(deployment.state),
      self_{.deployment = deployment.id,
            .version = deployment.version,
            .instance = deployment.instance,
            .pid = ::getpid(),
            .command = own_command(),
            .variables = variables_of(deployment)},
      command_of_version_(own_command(fmt::format("WEIR__VERSION={} ", deployment.version))) {}

bool RunFile::started(const std::string& address) {
  const std::optional<RunEntry::CrashLoop> others = take_over_others();
  started_ = self_;
  started_->address = address;
  started_->command = command_of_version_;
  started_->crash_loop = others;
  started_->is_new = true;
  return is_written_ = write(*started_);
}

void RunFile::alive(bool is_ready, std::chrono::steady_clock::time_point now) {
  if (!is_ready) {
    ready_since_.reset();
  } else if (!ready_since_) {
    ready_since_ = now;
  }
  if (started_ && started_->is_new && ready_since_ && now - *ready_since_ >= kWorksAfter) {
    started_->is_new = false;
    started_->crash_loop.reset();
    is_written_ = false;
  }
  if (started_ && !is_written_) {
    is_written_ = write(*started_);
    return;
  }
  std::error_code failed;
  fs::last_write_time(path(self_.version), fs::file_time_type::clock::now(), failed);
}

void RunFile::failed(const Status& why) {
  RunEntry entry = self_;
  entry.failure = {rfc3339(std::chrono::system_clock::now()), static_cast<int>(exit_code_of(why)),
                   why.message()};
  const std::optional<RunEntry::CrashLoop> others = take_over_others();
  entry.crash_loop = longer(started_ ? started_->crash_loop : others, *entry.failure);
  write(entry);
}

void RunFile::failed_without_lock(const Status& why) {
  const std::vector<RunEntry> all = read_run_files(state_);
  const bool is_anothers = std::any_of(all.begin(), all.end(), [this](const RunEntry& other) {
    return identity(other) == identity(self_) && !other.failure && !other.is_gone() &&
           !other.is_cut_short;
  });
  if (!is_anothers) {
    failed(why);
  }
}

void RunFile::ended_well() const {
  remove(self_.version);
}

void RunFile::remove(int version) const {
  std::error_code failed;
  fs::remove(path(version), failed);
  fs::remove(unfinished(version), failed);
}

// Removes what this process takes the place of; the crash loop that it was part of, or nullopt.
std::optional<RunEntry::CrashLoop> RunFile::take_over_others() const {
  std::optional<RunEntry::CrashLoop> longest;
  for (const RunEntry& other : read_run_files(state_)) {
    const bool is_own_version = other.version == self_.version;
    const bool is_later = self_.version != 0 && other.version > self_.version;
    if (is_later || other.deployment != self_.deployment || other.instance != self_.instance ||
        !(other.failure || (is_own_version && !started_))) {
      continue;
    }
    // A raised version is what mended it, or another fault.
    const bool is_mended = !is_own_version && self_.version != 0 && other.version != 0;
    std::optional<RunEntry::CrashLoop> loop = is_mended ? std::nullopt : other.crash_loop;
    if (!other.failure && other.is_new) {  // killed at its start: each will be, perhaps
      loop = longer(loop, {other.seen ? rfc3339(*other.seen) : "", 0, "gone without a word"});
    }
    if (loop && (!longest || loop->starts > longest->starts)) {
      longest = std::move(loop);
    }
    remove(other.version);
  }
  return longest;
}

fs::path RunFile::path(int version) const {
  return state_ / "run" / fmt::format("{}.v{}-{}.json", self_.deployment, version, self_.instance);
}

fs::path RunFile::unfinished(int version) const {
  return path(version) += kUnfinished;
}

// Whole or not at all, whoever reads meanwhile. What couldn't be written is left as the sign of it.
bool RunFile::write(const RunEntry& entry) const {
  const fs::path file = path(entry.version);
  const fs::path unfinished = this->unfinished(entry.version);
  std::error_code failed;
  fs::create_directories(file.parent_path(), failed);
  std::ofstream out(unfinished);
  out << json_of(entry);
  out.close();
  if (!out.good()) {
    // Nobody has to wait to see whether it is being written.
    fs::last_write_time(unfinished, fs::file_time_type::clock::now() - kWritingMax, failed);
    return false;
  }
  fs::rename(unfinished, file, failed);
  return !failed;
}

}  // namespace weir
