"""Three brokers, of which one after the other is killed with -9 and comes back, among them those
that coordinate the stage's group and transactions and lead its partitions: the stage goes on with
the two that are left, and loses, doubles or reorders nothing."""

import os
import subprocess
import unittest

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

import lab

ROUNDS = int(os.environ.get("WEIR_FAILOVERS", "1"))
NODES = (1, 2, 3)


class Replicated(lab.Lab):
    """Its topics are made as a user makes them."""

    def __enter__(self):
        subprocess.run([lab.BIN / "weir", "topics", "apply", "--partitions", str(lab.PARTITIONS),
                        self.config], check=True, capture_output=True)
        self.admin = KafkaAdminClient(bootstrap_servers=self.brokers)
        return self

    def __exit__(self, *_):
        self.admin.close()
        super().__exit__()

    # ---- who is what ----

    def group_coordinator(self):
        return next(node for node in NODES if any(
            group["group_id"] == self.group for group in self.admin.list_groups([node])))

    def transaction_coordinator(self):
        return next(node for node, transactions in self.admin.list_transactions().items() if any(
            each.transactional_id == f"{self.group}.0.0" for each in transactions))

    def partitions(self, *topics):
        """Of these topics; without any of all."""
        return [partition for topic in self.admin.describe_topics(topics or None)
                for partition in topic["partitions"]]

    def output_leader(self):
        return self.partitions(self.output)[0]["leader_id"]

    def controller(self):
        quorum = self.admin.describe_metadata_quorum()
        return quorum["topics"][0]["partitions"][0]["leader_id"]

    def is_whole(self):
        """Every broker has caught up with everything that it is to have."""
        try:
            return all(set(p["isr_nodes"]) == set(NODES) for p in self.partitions())
        except KafkaError:
            return False


@unittest.skipIf(os.environ.get("WEIR_BOOTSTRAP"), "WEIR_BOOTSTRAP is set: no brokers of our own")
class FailoverTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = lab.OwnBroker(cls.addClassCleanup, "--nodes", 3)

    def assert_survives_one(self, it):
        """Its topics would."""
        topics = it.admin.describe_topics([it.raw, it.output, it.dead_letters])
        self.assertEqual(len(topics), 3)
        for partition in (p for topic in topics for p in topic["partitions"]):
            self.assertEqual(sorted(partition["replica_nodes"]), sorted(NODES))
        configs = it.admin.describe_configs([
            ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in topics])
        for settings in configs["topic"].values():
            self.assertEqual(settings["min.insync.replicas"]["value"], "2")

    def test_a_stage_outlives_the_death_of_each_broker_on_which_it_depends(self):
        with Replicated(self.cluster.address, seed=41, session_timeout_ms=3000) as it:
            self.assert_survives_one(it)
            with it.load(aborted=False):
                process = it.start()
                it.wait_until_processed()
                for depends_on in ROUNDS * [it.transaction_coordinator, it.group_coordinator,
                                            it.output_leader, it.controller]:
                    victim = depends_on()
                    self.cluster.kill(victim)
                    it.wait_until_processed()  # by the others
                    self.cluster.start(victim)
                    lab.wait_for(it.is_whole, what="the return to three replicas")
                    self.assertIsNone(process.poll(), it.log()[-3000:])
            it.wait_until_processed()
            self.assertIn("not done yet, trying again", it.log(), "no death was noticed")
            self.assertEqual(lab.end(process), 0, it.log()[-3000:])
            self.assertEqual(it.verdict(), [], it.log()[-3000:])

    def test_a_stage_starts_while_the_cluster_still_names_a_dead_broker(self):
        """The client asked the dead one for the topics' settings, without end, where it was named
        the controller: of any broker, until it is fenced."""
        with Replicated(self.cluster.address, seed=42, lanes=1) as it:
            it.produce(40, aborted=False)
            self.cluster.kill(NODES[0])
            names = [str(i) for i in range(4)]
            processes = [it.start("--wait", "900", instance=name) for name in names]
            lab.wait_for(lambda: all(
                f'"instance":"{name}","what":"partition assigned' in it.log() for name in names),
                timeout=40, what="the start of all beside the dead one")
            self.cluster.start(NODES[0])
            for process in processes:
                self.assertEqual(lab.end(process), 0, it.log()[-3000:])
            self.assertEqual(it.verdict(), [], it.log()[-3000:])


if __name__ == "__main__":
    unittest.main()
