import numpy as np
import pytest

from simulators.xray.physics import ALUMINIUM, IRON, Detector, beam, expose, material, spectrum, tables, transmission

# NIST XCOM (Hubbell and Seltzer), mass attenuation in cm2/g at keV.
NIST = {
    "water": {30: 0.3756, 40: 0.2683, 50: 0.2269, 60: 0.2059, 80: 0.1837, 100: 0.1707, 150: 0.1505},
    "aluminium": {30: 1.128, 40: 0.5685, 50: 0.3681, 60: 0.2778, 80: 0.2018, 100: 0.1704, 150: 0.1378},
    "steel": {30: 8.176, 40: 3.629, 50: 1.958, 60: 1.205, 80: 0.5952, 100: 0.3717, 150: 0.1964},
}
STEPS_MM = {
    "water": np.array([5, 10, 20, 50, 100, 200, 300]),
    "aluminium": np.array([1, 2, 5, 10, 20, 50, 80]),
    "steel": np.array([0.5, 1, 2, 4, 8, 12, 20]),
}


@pytest.mark.parametrize("name", NIST)
def test_a_material_attenuates_as_nist_says_at_each_energy(name):
    of, data = material(name), tables()
    per_gram = np.array(of.per_mm) * 10 / of.density_g_cm3
    for kev, expected in NIST[name].items():
        mu = float(per_gram @ data.basis[:, np.searchsorted(data.energies_kev, kev)])
        assert mu == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("kvp", [140, 152, 180])
@pytest.mark.parametrize("name", STEPS_MM)
def test_a_step_wedge_lets_through_what_the_tables_say(name, kvp):
    of, data, steps = material(name), tables(), STEPS_MM[name]
    maps = (np.array(of.per_mm)[:, None] * steps)[:, None, :].astype(np.float32)
    seen = transmission(maps, beam(kvp, 0.6))[:, 0]
    # The whole spectrum at 1 keV with attenuation interpolated from NIST's points, in log-log as is usual.
    points = sorted(NIST[name])
    inside = (data.energies_kev >= 30) & (data.energies_kev <= 150)
    kev = data.energies_kev[inside]
    mu = np.exp(np.interp(np.log(kev), np.log(points), np.log([NIST[name][k] for k in points])))
    grams = steps * of.density_g_cm3 / 10
    weight = spectrum(kvp, 0.6)
    per_gram = np.array(of.per_mm) * 10 / of.density_g_cm3
    own = per_gram @ data.basis
    full = weight @ np.exp(-np.outer(own, grams))
    np.testing.assert_allclose(seen, full, rtol=0.02)
    # And the part of the spectrum that NIST's points span, against NIST itself.
    nist = weight[:, inside] @ np.exp(-np.outer(mu, grams))
    ours = weight[:, inside] @ np.exp(-np.outer(own[inside], grams))
    # Interpolation over 10 keV bows above the true curve; ten grams of iron still stay within that.
    np.testing.assert_allclose(np.log(ours), np.log(nist), rtol=0.02, atol=0.02)


def test_metal_hardens_the_beam_more_than_water():
    ratios = []
    for name, mm in (("water", 150), ("aluminium", 30), ("steel", 3)):
        maps = (np.array(material(name).per_mm) * mm).reshape(4, 1, 1).astype(np.float32)
        low, high = -np.log(transmission(maps, beam())[:, 0, 0])
        ratios.append(low / high)
    assert ratios == sorted(ratios)
    assert ratios[0] < 1.4 < ratios[2]


def test_noise_is_that_of_the_photons():
    maps = np.zeros((4, 200, 300), np.float32)
    maps[ALUMINIUM] = 5
    detector = Detector(photons=10_000, electronic=0, blur_px=0.3, gain=0, dead=0, haze=0, jitter_px=0)
    low, _ = expose(maps, beam(), detector, np.random.default_rng(1))
    through = float(transmission(maps, beam())[0, 0, 0])
    assert low.mean() / detector.white == pytest.approx(through, rel=0.01)
    assert low.std() / low.mean() == pytest.approx(1 / np.sqrt(through * 10_000), rel=0.05)


def test_counts_stay_within_the_bits():
    maps = np.zeros((4, 32, 32), np.float32)
    maps[IRON, :16] = 60
    for seed in range(12):
        detector = Detector.random(np.random.default_rng(seed))
        for counts in expose(maps, beam(), detector, np.random.default_rng(seed)):
            assert counts.dtype == np.uint16
            assert int(counts.max()) < 2**detector.bits
            assert counts[:16].max() < counts[20:].min()
