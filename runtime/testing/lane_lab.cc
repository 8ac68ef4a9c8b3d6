#include "testing/lane_lab.h"

#include <cstdlib>
#include <stdexcept>

namespace weir {

DecodeCounts TextCodec::decode(std::span<const RawRecord> records, std::span<Decoded> decoded) {
  DecodeCounts counts;
  keys_.assign(records.size(), DedupKey());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::string_view value = records[i].value.value_or("");
    const std::size_t colon = value.find(':');
    decoded[i] = Decoded();
    if (value.substr(colon + 1) == "die_unread") {
      std::abort();
    }
    if (colon == std::string_view::npos) {
      decoded[i].status = Status::dead_letter("undecodable", "no colon");
      continue;
    }
    if (value.substr(colon + 1) == "unclean") {
      counts += {.unknown_fields = 1, .cleaned_fields = 2};
    }
    decoded[i].wire = value;
    if (colon > 0) {
      keys_[i].add_string(value.substr(0, colon));
      decoded[i].declared_key = keys_[i].bytes();
    }
  }
  return counts;
}

void TextStage::process(const Record& record, Out& out) {
  const std::string_view rest = record.wire().substr(record.wire().find(':') + 1);
  if (rest == "nothing") {
    return;
  }
  if (rest == "drop") {
    out.drop("asked_to");
    return;
  }
  if (rest == "die") {
    std::abort();
  }
  out.emit_bytes("out", record.wire());
  if (rest == "big") {
    out.emit_bytes("out", std::string(kBigBytes, 'x'));
    out.emit_bytes("out", record.wire());
  }
  if (rest == "throw") {
    throw std::runtime_error("asked to");
  }
  if (rest == "set_aside") {
    out.dead_letter("asked_to", "asked to");
  }
  if (rest == "twice") {
    out.emit_bytes("out", record.wire());
  }
}

void TextStage::process_batch(std::span<const Record> records, Out& out) {
  for (std::size_t i = records.size(); i-- > 0;) {
    out.at(records[i]);
    process(records[i], out);
  }
}

LaneSettings lab_settings() {
  LaneSettings settings;
  settings.deployment = "lab";
  settings.group = kLabGroup;
  InputSettings& input = settings.inputs.emplace_back();
  input.name = "in";
  input.topic = kLabInput;
  input.dedup = DedupWindow{std::chrono::milliseconds(1000), 4};
  input.key_rule = "fields:key";
  settings.outputs.push_back({"out", 0, false});
  settings.limits.batch_records_max = 7;
  return settings;
}

void create_lab_topics(SimKafka& kafka, std::int32_t partitions) {
  kafka.create_topic(kLabInput, {.partitions = partitions});
  kafka.create_topic(kLabOutput,
                     {.partitions = partitions, .record_bytes_max = 1000, .tells_limit = false});
  kafka.create_topic(kLabDeadLetters, {.partitions = partitions});
}

LabLane::LabLane(SimKafka& kafka, MemoryStores& stores, LaneSettings settings,
                 const std::string& transactional_id, const SimFaults& faults, Probe& probe,
                 const std::string& deaths_path)
    : source_(kafka.source(settings.group, {kLabInput}, faults)),
      sink_(kafka.sink(transactional_id, {kLabOutput, kLabDeadLetters}, settings.group, {kLabInput},
                       faults)) {
  auto deaths = DeathLedger::open(deaths_path);
  WEIR_ASSERT(deaths.is_ok());
  deaths_ = std::move(deaths).value();
  loop_ = std::make_unique<Loop>(std::move(settings), LoopParts{*source_, *sink_, codec_, stage_,
                                                                stores, *deaths_, clock_, probe});
}

Status LabLane::step() {
  clock_.advance(std::chrono::milliseconds(20));
  const Status done = loop_->advance();
  return done.is_ok() || done.remedy() != Remedy::stop ? Status::ok() : done;
}

Status LabLane::drain() {
  const Status drained = loop_->drain();
  const Status left = loop_->leave();
  return !drained.is_ok() && drained.remedy() == Remedy::stop ? drained : left;
}

}  // namespace weir
