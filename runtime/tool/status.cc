// weir status: the processes of this host, or of given addresses, and how they are.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>

#include "host/json_struct.h"
#include "host/run_file.h"
#include "http/escape.h"
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
};

void ask(Found& one) {
  constexpr std::chrono::seconds kWait(2);
  if (one.is_gone || one.run.address.empty()) {
    return;
  }
  Result<std::string> answer = http_get(one.run.address, "/status.json", kWait);
  if (!answer.is_ok()) {
    return;
  }
  if (auto parsed = parse_json(answer.value())) {
    one.answer = std::move(*parsed);
    one.document = std::move(answer).value();
    one.run.deployment = field(one.answer, "deployment").string_value();
    one.run.version = static_cast<int>(field(one.answer, "version").number_value());
  }
}

std::string state_of(const Found& one) {
  return one.run.failure           ? "failed"
         : one.is_gone             ? "gone"
         : one.run.address.empty() ? "no endpoint"
         : one.document.empty()    ? "no answer"
                                   : field(one.answer, "state").string_value();
}

bool is_well(const Found& one) {
  const std::string state = state_of(one);
  return state != "failed" && state != "gone" && state != "no answer";
}

// What a process said of its end, on one line.
std::string last_words(const RunEntry::Failure& failure) {
  return fmt::format("ended at {} with {}: {}", failure.at, failure.exit_code,
                     failure.reason.substr(0, failure.reason.find('\n')));
}

struct Lag {
  double records = 0;
  double seconds = 0;
  bool is_known = true;  // of every partition
};

Lag lag_of(const Struct& answer) {
  Lag lag;
  for (const Value& lane : field(answer, "lanes").list_value().values()) {
    for (const Value& partition : field(lane.struct_value(), "partitions").list_value().values()) {
      const Value& records = field(partition.struct_value(), "lag_records");
      lag.is_known = lag.is_known && records.kind_case() == Value::kNumberValue;
      lag.records += records.number_value();
      lag.seconds =
          std::max(lag.seconds, field(partition.struct_value(), "lag_seconds").number_value());
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
    const Lag lag = lag_of(one.answer);
    fmt::print(
        "{:{}}  {:>7}  {:8}  {:>7}  {:11}  {:5}  {:>5}  {:>11}  {:>9}  {}\n",
        printable(one.run.deployment), width,
        one.run.version == 0 ? "" : std::to_string(one.run.version), printable(one.run.instance),
        one.run.pid == 0 ? "" : std::to_string(one.run.pid), printable(state_of(one)),
        !has_answer                               ? ""
        : field(one.answer, "ready").bool_value() ? "yes"
                                                  : "no",
        has_answer ? std::to_string(field(one.answer, "lanes").list_value().values_size()) : "",
        !has_answer    ? ""
        : lag.is_known ? grouped(static_cast<std::uint64_t>(lag.records))
                       : "?",
        !has_answer    ? ""
        : lag.is_known ? fmt::format("{:.1f}", lag.seconds)
                       : "?",
        printable(one.run.address));
    for (const Value& reason : field(one.answer, "reasons").list_value().values()) {
      fmt::print("  {}\n", printable(reason.string_value()));
    }
    if (one.run.failure) {
      fmt::print("  {}\n", printable(last_words(*one.run.failure)));
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
        R"("state": {}, "failure": {}, "status": {}}})",
        rows.empty() ? "" : ",\n", json_string(one.run.deployment), one.run.version,
        json_string(one.run.instance), one.run.pid, json_string(one.run.address),
        json_string(state_of(one)), failure_json(one.run), document);
  }
  fmt::print("[{}]\n", rows);
}

Status show(const StatusOptions& options) {
  std::vector<Found> all;
  if (options.addresses.empty()) {
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
  }
  if (options.output == "json") {
    print_json(all);
  } else if (!all.empty()) {
    print_table(all);
  } else {
    fmt::print(stderr, "no process of a stage in {}/run\n", options.state);
  }
  for (const Found& one : all) {
    if (!is_well(one)) {
      const RunEntry& run = one.run;
      return Status::stop(ExitCode::failed,
                          fmt::format("{} ({}): {}", run.deployment.empty() ? "?" : run.deployment,
                                      run.address.empty() ? std::to_string(run.pid) : run.address,
                                      run.failure   ? last_words(*run.failure)
                                      : one.is_gone ? "its process is gone and did not end well"
                                                    : state_of(one)));
    }
  }
  return Status::ok();
}

}  // namespace

void add_status(CLI::App& app, Status& done) {
  CLI::App* command =
      app.add_subcommand("status", "The processes of deployments: state, readiness, lag");
  command->footer(
      "Exit code 1 when a process is gone without having ended, failed, or is silent. One that "
      "ended itself with an error stays listed, with the reason, until its deployment and "
      "instance is started again or its file in STATE/run is removed.");
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
