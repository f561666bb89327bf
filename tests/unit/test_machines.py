import pytest

from trainer import errors
from trainer.jobs import machines, spec
from trainer.jobs.machines import Machine


def find(tier="CUSTOM", master="", worker=None, **config):
    given = spec.TrainingInput(
        scale_tier=tier,
        master_type=master,
        master_config=spec.ReplicaConfig(**config),
        worker_config=worker,
    )
    return machines.find_machine(given)


def accelerators(kind, count):
    return spec.AcceleratorConfig(kind, count)


@pytest.mark.parametrize("tier", sorted(set(spec.SCALE_TIERS) - {"CUSTOM"}))
def test_each_scale_tier_has_a_machine(tier):
    found, _ = find(tier)
    assert machines.COMPUTE_ENGINE.fullmatch(found.machine_type)


@pytest.mark.parametrize("name", sorted(machines.LEGACY_MACHINES))
def test_no_legacy_machine_becomes_one_that_is_gone(name):
    found, notes = find(master=name)
    assert found.accelerator in ("", machines.T4, machines.P100, machines.V100)
    assert (found.num_accelerators > 0) == bool(found.accelerator)
    asked = machines.LEGACY_MACHINES[name]
    assert bool(notes) == (asked != found or found.num_accelerators > 1)


def test_machines_of_compute_engine_stay():
    found, notes = find(
        master="n1-standard-8", accelerator_config=accelerators("NVIDIA_TESLA_P4", 1)
    )
    assert found == Machine("n1-standard-8", "NVIDIA_TESLA_P4", 1)
    assert notes == []


def test_k80_become_t4():
    found, notes = find(master="complex_model_l_gpu")
    assert found == Machine("n1-highcpu-32", machines.T4, 4)
    assert "NVIDIA_TESLA_K80 is gone" in notes[0]
    assert "uses one GPU" in notes[1]


@pytest.mark.parametrize(("machine", "count"), [("16", 1), ("96", 4)])
def test_a_tpu_worker_becomes_a_gpu_and_vertex_tpus_are_named(machine, count):
    worker = spec.ReplicaConfig(accelerator_config=accelerators("TPU_V2", 8))
    found, notes = find(master=f"n1-highmem-{machine}", worker=worker)
    assert found == Machine(f"n1-highmem-{machine}", machines.T4, count)
    assert "TPU_V2 x 8 has no counterpart" in notes[0]
    assert "v6e for no TensorFlow" in notes[0]


def test_an_accelerator_of_the_masters_own_counts_more():
    worker = spec.ReplicaConfig(accelerator_config=accelerators("TPU_V2", 8))
    p100 = accelerators(machines.P100, 1)
    found, _ = find(master="n1-highmem-16", worker=worker, accelerator_config=p100)
    assert found == Machine("n1-highmem-16", machines.P100, 1)


def test_an_unknown_machine_is_named():
    with pytest.raises(errors.ConfigError, match="did you mean complex_model_m_p100"):
        find(master="complex_model_p100")
