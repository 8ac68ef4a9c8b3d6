// Turns JSON into protobuf events, each once. Everything about it is configuration: the type is
// read from .proto files when it starts, so a new source needs neither C++ nor a rebuild.
#include <weir/stage.h>

namespace stages::ingest {

class Ingest final : public weir::Stage {
 public:
  void process(const weir::Record& record, weir::Out& out) override {
    out.emit_bytes("events", record.wire());
  }
};

weir::StageSpec spec() {
  return weir::StageSpec::of<Ingest>("ingest", "Turns JSON into protobuf events, each once.")
      .input("events", "JSON objects, of the message type that `message` names.")
      .output("events", "The same events in protobuf's wire form.");
}

}  // namespace stages::ingest
