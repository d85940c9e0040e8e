"""A probe of every solver in a checkpoint, and as ONNX."""

import onnx
import pytest
import torch
from forge import rewrite
from probes import assert_equal_probes, blobs, learned

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.probe._solvers import SOLVERS, probe_from_state

OPTIONS = [
    ("gradient", {"learning_rate": 0.02, "optimizer": "adam", "calibrate": True}),
    ("gradient", {"calibrate": True, "average_over": 20}),
    ("ridge", {"l2": 0.5, "dimensions": 9, "seed": 3}),
    ("ridge", {"solve_every": 7, "calibrate": True}),
    ("slda", {"shrinkage": 0.2, "min_confidence": 0.4}),
    ("slda", {"solve_every": 7, "dimensions": 9, "calibrate": True}),
    ("slda", {"half_life": 20.0}),
    ("ridge", {"half_life": 20.0, "solve_every": 7}),
]


@pytest.mark.parametrize(("solver", "options"), OPTIONS)
def test_a_checkpoint_resumes_every_solver_bit_for_bit(tmp_path, solver, options):
    X, y = blobs(60)
    net, whole, path = hs.SoftHebbNet.from_preset("cifar10", width=2), SOLVERS[solver](**options), tmp_path / "run"

    def go(probe, part):
        return [(probe.predict_proba_one(X[i]), probe.learn_one(X[i], y[i]))[0] for i in part]

    go(whole, range(33))
    hs.Learner(net, whole if solver == "gradient" else LinearProbe.from_probe(whole)).save(path)
    resumed = hs.Learner.load(path).probe
    assert_equal_probes(whole, resumed)
    assert go(resumed, range(33, 60)) == go(whole, range(33, 60))
    assert_equal_probes(whole, resumed)
    assert (whole.affine()[0] == resumed.affine()[0]).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda p, t: p.update(solver="svm"),
        lambda p, t: p["options"].update(l2=-1),
        lambda p, t: p["options"].update(unknown=1),
        lambda p, t: p["classes"].append(["str", "more"]),
        lambda p, t: p["options"].update(dimensions=2),
        lambda p, t: p["options"].update(calibrate=False),
        lambda p, t: t.update({"probe/tensors/temperature": torch.zeros(3)}),
        lambda p, t: [t.pop(name) for name in list(t) if name.startswith("probe/")],
    ],
)
def test_a_checkpoint_with_another_probe_than_it_says_is_refused(tmp_path, change):
    path = tmp_path / "run"
    probe = learned("ridge", *blobs(20), calibrate=True)
    hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=2), probe).save(path)
    rewrite(path, lambda header, tensors: change(header["probe"], tensors))
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        hs.Learner.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("solver", "options"), [*OPTIONS, ("ridge", {"dimensions": 50})])
def test_every_solver_leaves_as_onnx(tmp_path, labelled, solver, options):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=4), LinearProbe(solver, **options)
    hs.learn(net, labelled[:120], probe, checkpoint=tmp_path / "run", progress=False)
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx", probe), providers=["CPUExecutionProvider"])
    frames = [sample.x for sample in labelled[120:130]]
    state = probe.as_probe().state_dict()
    if solver != "gradient":  # the model is of all that was learned, not of the last solution in use
        state["options"]["solve_every"] = 1
    exact = probe_from_state(state)
    for frame in frames:
        found = extractor.predict_proba_one(frame)
        for label, probability in exact.predict_proba_one(net.transform_one(frame)).items():
            assert found[str(label)] == pytest.approx(probability, abs=2e-3)
    assert [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node][-2:] == ["Gemm", "Softmax"]
