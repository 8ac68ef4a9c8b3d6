// Re-keys a topic by its dedup key, for producers whose retries land on any partition: behind it,
// equal keys lie in one partition, where the next stage finds them. The values stay as they are.
//
// Its output is a new root: what meets in a partition comes from several, so the order and the time
// of its log are its own, and its topic is stamped by the broker (LogAppendTime).
#include <weir/stage.h>

namespace stages::route {

class Route final : public weir::Stage {
 public:
  // A record without a key (`on_missing_key: pass`) leaves under an empty one: all in one
  // partition.
  void process(const weir::Record& record, weir::Out& out) override {
    const auto key = weir::DedupKey::from_bytes(record.declared_key());
    out.emit_rekeyed("events", key.text(), record.wire());
  }
};

weir::StageSpec spec() {
  return weir::StageSpec::of<Route>("route", "Re-keys a topic by the fields that dedup.key names.")
      .input("events", "Records whose equals may lie in several partitions.")
      .rekeyed_output("events", "The same values, under the text of their dedup key.");
}

}  // namespace stages::route
