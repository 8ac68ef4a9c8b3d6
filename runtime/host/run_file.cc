#include "host/run_file.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "host/command_line.h"
#include "host/json_struct.h"
#include "http/escape.h"
#include "text/quantity.h"

namespace weir {

namespace {

namespace fs = std::filesystem;

// A process that is merely slow is seen earlier.
constexpr std::chrono::seconds kUnseenMax = 4 * RunFile::kSeenEvery;

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

// What started this process.
std::string own_command() {
  std::error_code failed;
  std::string command = "cd " + quoted_for_shell(fs::current_path(failed).string()) + " &&";
  const std::string words = read("/proc/self/cmdline");
  for (std::size_t begin = 0; begin < words.size();) {
    const std::size_t end = std::min(words.find('\0', begin), words.size());
    command += " " + quoted_for_shell(words.substr(begin, end - begin));
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
    const auto& why = failure.struct_value();
    entry.failure = {field(why, "at").string_value(),
                     static_cast<int>(field(why, "exit_code").number_value()),
                     field(why, "reason").string_value()};
  }
  return entry;
}

std::string json_of(const RunEntry& entry) {
  return fmt::format(
      R"({{"deployment": {}, "version": {}, "instance": {}, "pid": {}, "http": {}, "failure": {}, )"
      R"("command": {}, "variables": {}}})"
      "\n",
      json_string(entry.deployment), entry.version, json_string(entry.instance), entry.pid,
      json_string(entry.address), failure_json(entry), json_string(entry.command),
      json_list(entry.variables));
}

}  // namespace

std::string failure_json(const RunEntry& entry) {
  return entry.failure ? fmt::format(R"({{"at": {}, "exit_code": {}, "reason": {}}})",
                                     json_string(entry.failure->at), entry.failure->exit_code,
                                     json_string(entry.failure->reason))
                       : "null";
}

bool RunEntry::is_gone() const {
  if (failure) {
    return false;
  }
  const bool is_nobodys = pid != 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
  const bool is_unseen = seen && std::chrono::system_clock::now() - *seen > kUnseenMax;
  return is_nobodys || is_unseen;
}

std::vector<RunEntry> read_run_files(const fs::path& state) {
  std::vector<RunEntry> all;
  std::error_code failed;
  for (fs::directory_iterator i(state / "run", failed), end; !failed && i != end;
       i.increment(failed)) {
    if (i->path().extension() != ".json") {
      continue;
    }
    if (std::optional<RunEntry> entry = parse(read(i->path()))) {
      std::error_code unseen;
      if (const auto written = fs::last_write_time(i->path(), unseen); !unseen) {
        entry->seen = std::chrono::file_clock::to_sys(written);
      }
      all.push_back(std::move(*entry));
    }
  }
  std::sort(all.begin(), all.end(), [](const RunEntry& a, const RunEntry& b) {
    return std::tie(a.deployment, a.version, a.instance) <
           std::tie(b.deployment, b.version, b.instance);
  });
  return all;
}

RunFile::RunFile(const config::Deployment& deployment)
    : state_(deployment.state),
      self_{.deployment = deployment.id,
            .version = deployment.version,
            .instance = deployment.instance,
            .pid = ::getpid(),
            .command = own_command(),
            .variables = variables_of(deployment)} {}

bool RunFile::started(const std::string& address) const {
  RunEntry entry = self_;
  entry.address = address;
  return write(entry);
}

void RunFile::alive() const {
  std::error_code failed;
  fs::last_write_time(path(self_.version), fs::file_time_type::clock::now(), failed);
}

void RunFile::failed(const Status& why) const {
  RunEntry entry = self_;
  entry.failure = {rfc3339(std::chrono::system_clock::now()), static_cast<int>(exit_code_of(why)),
                   why.message()};
  write(entry);
}

void RunFile::failed_without_lock(const Status& why) const {
  const std::vector<RunEntry> all = read_run_files(state_);
  const bool is_anothers = std::any_of(all.begin(), all.end(), [this](const RunEntry& other) {
    return other.deployment == self_.deployment && other.version == self_.version &&
           other.instance == self_.instance && !other.failure && !other.is_gone();
  });
  if (!is_anothers) {
    failed(why);
  }
}

void RunFile::ended_well() const {
  std::error_code failed;
  fs::remove(path(self_.version), failed);
}

void RunFile::forget_others() const {
  for (const RunEntry& other : read_run_files(state_)) {
    if (other.deployment == self_.deployment && other.instance == self_.instance &&
        (other.failure || other.is_gone())) {
      std::error_code failed;
      fs::remove(path(other.version), failed);
    }
  }
}

fs::path RunFile::path(int version) const {
  return state_ / "run" / fmt::format("{}.v{}-{}.json", self_.deployment, version, self_.instance);
}

// Whole or not at all, whoever reads meanwhile.
bool RunFile::write(const RunEntry& entry) const {
  forget_others();
  const fs::path file = path(entry.version);
  const fs::path unfinished = fs::path(file) += ".new";
  std::error_code failed;
  fs::create_directories(file.parent_path(), failed);
  std::ofstream out(unfinished);
  out << json_of(entry);
  out.close();
  if (!out.good()) {
    return false;
  }
  fs::rename(unfinished, file, failed);
  return !failed;
}

}  // namespace weir
