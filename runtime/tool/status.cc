// weir status: the processes of this host, or of given addresses, and how they are.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>

#include "host/command_line.h"
#include "host/disk_watch.h"
#include "host/json_struct.h"
#include "host/run_file.h"
#include "http/escape.h"
#include "text/quantity.h"
#include "text/words.h"
#include "tool/http_get.h"
#include "tool/verbs.h"

namespace weir {

namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

struct StatusOptions {
  std::string state = "state";
  std::vector<std::string> addresses;
  std::string output = "text";
};

// A process as it is found, and what it says.
struct Found {
  RunEntry run;
  bool is_gone = false;
  std::string document{};  // its status.json; empty: no answer
  Struct answer{};
  std::string silence{};  // why there is no answer to what was asked
  // Its process lives, and is stopped or hangs: by whom its lock is held.
  std::optional<std::string> held_lock{};
};

void ask(Found& one) {
  constexpr std::chrono::seconds kWait(2);
  if (one.is_gone || one.run.is_cut_short || one.run.address.empty()) {
    return;
  }
  Result<std::string> answer = http_get(one.run.address, "/status.json", kWait);
  auto parsed = answer.is_ok() ? parse_json(answer.value()) : std::nullopt;
  if (!parsed) {
    one.silence = answer.is_ok() ? fmt::format("what {} answers is no status", one.run.address)
                                 : answer.status().message();
    return;
  }
  one.answer = std::move(*parsed);
  one.document = std::move(answer).value();
  one.run.deployment = field(one.answer, "deployment").string_value();
  one.run.version = static_cast<int>(field(one.answer, "version").number_value());
}

std::string state_of(const Found& one) {
  return one.run.is_cut_short      ? "unknown"
         : one.run.failure         ? "failed"
         : one.is_gone             ? "gone"
         : one.held_lock           ? "silent"
         : one.run.address.empty() ? "no endpoint"
         : one.document.empty()    ? "no answer"
                                   : field(one.answer, "state").string_value();
}

// One that serves no endpoint can't be asked: it lives. One that was started over and over isn't
// well for being ready just now.
bool is_ready(const Found& one) {
  if (one.run.crash_loop && one.run.crash_loop->starts > 1) {
    return false;
  }
  return one.document.empty() ? state_of(one) == "no endpoint"
                              : field(one.answer, "ready").bool_value();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream said(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(said, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::string end_text(const RunEntry::Failure& end) {
  return end.exit_code == 0
             ? fmt::format("{}; it was last seen alive at {}", end.reason, end.at)
             : fmt::format("ended at {} with {}: {}", end.at, end.exit_code, end.reason);
}

bool are_alike(const RunEntry::Failure& a, const RunEntry::Failure& b) {
  return a.exit_code == b.exit_code && a.reason == b.reason;
}

// Since when it fails and what for at first, which what it fails for now may come of; empty: it
// doesn't, or only just began to.
std::vector<std::string> crash_loop_of(const Found& one) {
  const auto& loop = one.run.crash_loop;
  if (!loop || (loop->starts == 1 && one.run.failure)) {
    return {};
  }
  std::string text =
      fmt::format("failing since {}, {} in a row", loop->first.at,
                  loop->starts == 1 ? "1 start" : fmt::format("{} starts", loop->starts));
  if (!one.run.failure) {
    text += one.is_gone ? " before this one"
                        : fmt::format("; this one hasn't been ready for {} s yet",
                                      RunFile::kWorksAfter.count());
  }
  if (!are_alike(loop->first, loop->last)) {
    text += "\nthe first " + end_text(loop->first);
  }
  if (!one.run.failure) {  // else it is said anyway
    text += "\nthe one before " + end_text(loop->last);
  }
  return lines_of(text);
}

std::string seen_text(const RunEntry& run) {
  return run.seen ? rfc3339(*run.seen) : "";
}

// Of one that is silent: its pid means here what it means to it, so that it can be given a signal.
bool is_process_of_this_host(const Found& one) {
  std::array<char, 256> host{};
  return ::gethostname(host.data(), host.size() - 1) == 0 &&
         one.held_lock->ends_with(fmt::format(" process {} on {}", one.run.pid, host.data()));
}

// Why it isn't ready.
std::vector<std::string> reasons_of(const Found& one) {
  if (one.run.is_cut_short) {
    return {
        fmt::format("couldn't write its entry at {}: disk full? See its log", seen_text(one.run))};
  }
  if (one.run.failure) {
    return lines_of(end_text(*one.run.failure));  // of a YAML, each mistake has one
  }
  if (one.is_gone) {
    return {fmt::format("gone without a word; it was last seen alive at {}", seen_text(one.run))};
  }
  if (one.held_lock) {
    return {fmt::format("silent; it was last seen alive at {}, and {}{}", seen_text(one.run),
                        *one.held_lock,
                        !is_process_of_this_host(one) ? ""
                        : one.run.is_stopped()        ? ": it is stopped"
                                                      : ": it hangs, most likely")};
  }
  if (!one.silence.empty()) {
    return {one.run.seen
                ? fmt::format("{}; it was last seen alive at {}", one.silence, seen_text(one.run))
                : one.silence};
  }
  std::vector<std::string> reasons;
  for (const Value& reason : field(one.answer, "reasons").list_value().values()) {
    reasons.push_back(reason.string_value());
  }
  return reasons;
}

// Behind a command: which variables it had, by whose values its brokers were named perhaps.
std::string as_before(const std::vector<std::string>& variables) {
  return variables.empty() ? ""
                           : fmt::format("   # with {} set as before", fmt::join(variables, ", "));
}

// What it set aside since it started, and how to see that; empty: nothing.
std::string dead_letters_of(const Found& one) {
  const Struct& dead = field(one.answer, "dead_letters").struct_value();
  const auto number = [&](const std::string& name) {
    return static_cast<std::uint64_t>(field(dead, name).number_value());
  };
  if (number("count") == 0) {
    return "";
  }
  const std::string& first = field(dead, "first_at").string_value();
  const std::string& bootstrap = field(one.answer, "bootstrap").string_value();
  return fmt::format(
      "dead letters since its start: {}{}, most often {}; to see them: {} tap {} {}--until-end{}",
      grouped(number("count")),
      first.empty()
          ? ""  // it is of an earlier version
          : fmt::format(" of {} records, first {}, last {}", grouped(number("records_in")), first,
                        field(dead, "last_at").string_value()),
      field(dead, "reason").string_value(), tool_command(), field(dead, "topic").string_value(),
      bootstrap.empty() ? "" : fmt::format("--bootstrap {} ", bootstrap),
      bootstrap.empty() ? as_before(one.run.variables) : "");
}

// What hides its input from it, and how to see whose that is; empty: nothing.
std::string blocked_of(const Found& one) {
  std::vector<std::string> blocked;
  std::string since;
  std::string which;
  for (const Value& lane : field(one.answer, "lanes").list_value().values()) {
    for (const Value& value : field(lane.struct_value(), "partitions").list_value().values()) {
      const Struct& partition = value.struct_value();
      const std::string& at = field(partition, "blocked_since").string_value();
      if (at.empty()) {
        continue;
      }
      const std::string& topic = field(partition, "topic").string_value();
      const auto number = static_cast<std::int64_t>(field(partition, "partition").number_value());
      blocked.push_back(fmt::format("{}/{}", topic, number));
      if (since.empty() || at < since) {
        since = at;
        which = fmt::format("--topic {} --partition {}", topic, number);
      }
    }
  }
  if (blocked.empty()) {
    return "";
  }
  const std::string& bootstrap = field(one.answer, "bootstrap").string_value();
  return fmt::format(
      "blocked since {1}: {2}{3} can be read up to a transaction that another producer left open; "
      "Kafka ends it when that producer's transaction.timeout.ms is over. To see whose it is: "
      "kafka-transactions.sh --bootstrap-server {0} describe-producers {4}\n"
      "of these it is the one with a transaction start offset, whose name is in: "
      "kafka-transactions.sh --bootstrap-server {0} list",
      bootstrap, since, blocked.front(),
      blocked.size() == 1 ? "" : fmt::format(" and {} more", blocked.size() - 1), which);
}

bool has_ended(const Found& one) {
  return one.run.failure || one.is_gone || one.run.is_cut_short;
}

// What is typed next, for one that is silent: a start would be refused.
std::string next_command_of_silent(const Found& one) {
  return fmt::format(
      "{}end it, and its next start repeats the open turn: kill -9 {}",
      one.run.is_stopped() ? fmt::format("let it go on: kill -CONT {}; or ", one.run.pid) : "",
      one.run.pid);
}

// Of a start whose YAML didn't load: the process that has its instance, in words; empty: none.
std::string live_twin_of(const Found& one, const std::vector<Found>& all) {
  for (const Found& other : all) {
    if (one.run.failure && one.run.version == 0 && !has_ended(other) &&
        other.run.deployment == one.run.deployment && other.run.instance == one.run.instance) {
      return fmt::format("version {}, pid {}", other.run.version, other.run.pid);
    }
  }
  return "";
}

// What is typed next: for one that ended, how it is started again. Empty: nothing that is known.
std::string next_command(const Found& one, const std::vector<Found>& all) {
  if (one.held_lock) {
    return is_process_of_this_host(one) ? next_command_of_silent(one) : "";
  }
  if (!has_ended(one) || one.run.command.empty()) {
    return "";
  }
  // Brokers that were silent may answer by now; what else a process ends itself for is to be
  // mended.
  const bool is_to_be_mended =
      one.run.is_cut_short ||
      (one.run.failure && one.run.failure->exit_code != static_cast<int>(ExitCode::unavailable));
  const std::string when = is_to_be_mended ? "when that is mended, " : "";
  if (const std::string twin = live_twin_of(one, all); !twin.empty()) {
    return fmt::format(
        "this start failed beside the process that runs as this instance ({}): {}end that one "
        "first "
        "to start its version anew",
        twin, when);
  }
  std::vector<std::string> variables = one.run.variables;
  // The version that a process had is in its command, but for one that failed.
  const bool had_version = std::erase(variables, "WEIR__VERSION") > 0 && one.run.failure;
  return fmt::format(
      "{}start it again: {}{}{}", when, one.run.command, as_before(variables),
      had_version ? fmt::format("{} WEIR__VERSION beat the YAML's `version:`; not where that was "
                                "raised since",
                                variables.empty() ? "   #" : ";")
                  : "");
}

struct Lag {
  double records = 0;
  double seconds = 0;
};

// nullopt: it has no partition, or doesn't know the lag of every one.
std::optional<Lag> lag_of(const Struct& answer) {
  std::optional<Lag> lag;
  for (const Value& lane : field(answer, "lanes").list_value().values()) {
    for (const Value& partition : field(lane.struct_value(), "partitions").list_value().values()) {
      const Value& records = field(partition.struct_value(), "lag_records");
      if (records.kind_case() != Value::kNumberValue) {
        return std::nullopt;
      }
      const double seconds = field(partition.struct_value(), "lag_seconds").number_value();
      lag = lag ? *lag : Lag{};
      lag->records += records.number_value();
      lag->seconds = std::max(lag->seconds, seconds);
    }
  }
  return lag;
}

void print_table(const std::vector<Found>& all) {
  const std::string header = "DEPLOYMENT";
  std::size_t width = header.size();
  for (const Found& one : all) {
    width = std::max(width, one.run.deployment.size());
  }
  fmt::print("{:{}}  {:>7}  {:8}  {:>7}  {:11}  {:5}  {:>5}  {:>11}  {:>9}  {}\n", header, width,
             "VERSION", "INSTANCE", "PID", "STATE", "READY", "LANES", "LAG RECORDS", "LAG S",
             "HTTP");
  for (const Found& one : all) {
    const bool has_answer = !one.document.empty();
    const std::optional<Lag> lag = lag_of(one.answer);
    fmt::print(
        "{:{}}  {:>7}  {:8}  {:>7}  {:11}  {:5}  {:>5}  {:>11}  {:>9}  {}\n",
        printable(one.run.deployment), width,
        one.run.version == 0 ? "" : std::to_string(one.run.version), printable(one.run.instance),
        one.run.pid == 0 ? "" : std::to_string(one.run.pid), printable(state_of(one)),
        !has_answer     ? ""
        : is_ready(one) ? "yes"
                        : "no",
        has_answer ? std::to_string(field(one.answer, "lanes").list_value().values_size()) : "",
        !has_answer ? ""
        : lag       ? grouped(static_cast<std::uint64_t>(lag->records))
                    : "-",
        !has_answer ? ""
        : lag       ? fmt::format("{:.1f}", lag->seconds)
                    : "-",
        printable(one.run.address));
    for (const std::string& line : crash_loop_of(one)) {
      fmt::print("  {}\n", printable(line));
    }
    for (const std::string& reason : reasons_of(one)) {
      fmt::print("  {}\n", printable(reason));
    }
    for (const std::string& line : lines_of(blocked_of(one))) {
      fmt::print("  {}\n", printable(line));
    }
    if (const std::string dead = dead_letters_of(one); !dead.empty()) {
      fmt::print("  {}\n", printable(dead));
    }
    if (const std::string command = next_command(one, all); !command.empty()) {
      fmt::print("  {}\n", printable(command));
    }
    if (has_ended(one) && !one.run.file.empty()) {
      fmt::print("  if it is not wanted any more: rm {}\n", printable(one.run.file.string()));
    }
  }
}

void print_json(const std::vector<Found>& all) {
  std::string rows;
  for (const Found& one : all) {
    std::string document = one.document.empty() ? "null" : one.document;
    std::replace(document.begin(), document.end(), '\n', ' ');
    rows += fmt::format(
        R"({}{{"deployment": {}, "version": {}, "instance": {}, "pid": {}, "http": {}, )"
        R"("state": {}, "ready": {}, "reasons": {}, "failure": {}, "crash_loop": {}, "seen": {}, )"
        R"("command": {}, "variables": {}, "status": {}}})",
        rows.empty() ? "" : ",\n", json_string(one.run.deployment), one.run.version,
        json_string(one.run.instance), one.run.pid, json_string(one.run.address),
        json_string(state_of(one)), is_ready(one), json_list(reasons_of(one)),
        json_of(one.run.failure), json_of(one.run.crash_loop), json_string(seen_text(one.run)),
        json_string(one.run.command), json_list(one.run.variables), document);
  }
  fmt::print("[{}]\n", rows);
}

// Ok, or which are not ready.
Status judge(const std::vector<Found>& all) {
  std::vector<std::string> others;
  for (const Found& one : all) {
    if (!is_ready(one)) {
      const RunEntry& run = one.run;
      others.push_back(run.instance.empty()
                           ? run.address
                           : fmt::format("{}{} {}", run.deployment,
                                         run.version == 0 ? "" : fmt::format(" v{}", run.version),
                                         run.instance));
    }
  }
  return others.empty()
             ? Status::ok()
             : Status::stop(ExitCode::failed, fmt::format("{} of {} not ready: {}", others.size(),
                                                          all.size(), fmt::join(others, ", ")));
}

// Ok, or why nobody can say which processes there are.
Status check_run_files(const std::string& state) {
  const std::filesystem::path directory = std::filesystem::path(state) / "run";
  std::error_code failed;
  const std::filesystem::directory_iterator look(directory, failed);
  return failed ? Status::stop(ExitCode::failed,
                               fmt::format("{}: {}; --state says where stages keep their state, "
                                           "`state:` in their YAML",
                                           directory.string(), failed.message()))
                : Status::ok();
}

// On standard error: it is of no process alone.
void warn_of_disk(const std::string& state) {
  if (const std::optional<DiskRoom> room = disk_room(state); room && room->is_low()) {
    fmt::print(stderr,
               "the disk of {} is nearly full, {} are free: a write that finds no room ends a "
               "process\n",
               state, room->text());
  }
}

Status show(const StatusOptions& options) {
  std::vector<Found> all;
  Status readable;
  if (options.addresses.empty()) {
    readable = check_run_files(options.state);
    for (RunEntry& run : read_run_files(options.state)) {
      const bool is_gone = run.is_gone();
      all.push_back({std::move(run), is_gone});
    }
  }
  for (const std::string& address : options.addresses) {
    all.emplace_back().run.address = address;
  }
  for (Found& one : all) {
    ask(one);
    const RunEntry& run = one.run;
    if (!has_ended(one) && one.document.empty() && (run.is_unseen() || run.is_stopped())) {
      one.held_lock = run.held_lock();
    }
  }
  if (options.output == "json") {
    print_json(all);
  } else if (!all.empty()) {
    print_table(all);
  } else if (readable.is_ok()) {
    fmt::print(stderr, "no process of a stage in {}/run\n", options.state);
  }
  std::fflush(stdout);  // what is said of all comes last, also in a file
  if (options.addresses.empty()) {
    warn_of_disk(options.state);
  }
  return readable.is_ok() ? judge(all) : readable;
}

}  // namespace

void add_status(CLI::App& app, Status& done) {
  CLI::App* command =
      app.add_subcommand("status", "The processes of deployments: state, readiness, lag");
  command->footer(
      "Exit code 0: all that are listed are ready (one with `http: off` can't be asked: that it "
      "lives is enough), or none is, because all ended well. 1: one isn't, and below it stands "
      "why; or STATE/run can't be read. A process that is gone, or ended itself with an error, "
      "stays listed until it is started again (one that failed: in whichever version) or the file "
      "is removed that its row names. `failing since`: so long no start has been ready for a whole "
      "minute, and what the first of them ended with; after a second one none is ready before "
      "that. `silent`: it lives, as it holds its "
      "instance's lock, but shows no sign. `unknown`: its last word found no room on the disk.");
  const auto options = std::make_shared<StatusOptions>();
  command
      ->add_option("--state", options->state,
                   "The `state` of the deployments' files, where processes of this host are found "
                   "(WEIR__STATE, or else state)")
      ->envname("WEIR__STATE");
  command
      ->add_option("--at", options->addresses, "HOST:PORT of an endpoint, instead; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--output", options->output, "text, or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->callback([options, &done] { done = show(*options); });
}

}  // namespace weir
