"""N42 files for tests: written by hand after the standard's schema."""

from __future__ import annotations

NUCLIDE = """\
      <Nuclide>
        <NuclideIdentifiedIndicator>{identified}</NuclideIdentifiedIndicator>
        <NuclideName>{name}</NuclideName>
        <NuclideIDConfidenceValue>{confidence}</NuclideIDConfidenceValue>
        <NuclideCategoryDescription>{category}</NuclideCategoryDescription>
      </Nuclide>
"""

FILE = """\
<?xml version="1.0" encoding="UTF-8"?>
<RadInstrumentData xmlns="http://physics.nist.gov/N42/2011/N42" n42DocUUID="8dff474b-b706-45c8-a76b-55ccbd643b22">
  <RadInstrumentDataCreatorName>the test</RadInstrumentDataCreatorName>
  <RadInstrumentInformation id="Instrument">
    <RadInstrumentManufacturerName>Example</RadInstrumentManufacturerName>
    <RadInstrumentIdentifier>SN-0042</RadInstrumentIdentifier>
    <RadInstrumentModelName>Identifier One</RadInstrumentModelName>
    <RadInstrumentClassCode>Radionuclide Identifier</RadInstrumentClassCode>
    <RadInstrumentVersion>
      <RadInstrumentComponentName>Software</RadInstrumentComponentName>
      <RadInstrumentComponentVersion>1.0</RadInstrumentComponentVersion>
    </RadInstrumentVersion>
  </RadInstrumentInformation>
  <RadDetectorInformation id="Gamma">
    <RadDetectorCategoryCode>Gamma</RadDetectorCategoryCode>
    <RadDetectorKindCode>NaI</RadDetectorKindCode>
  </RadDetectorInformation>
  <EnergyCalibration id="Energy">
    <CoefficientValues>0 3 0</CoefficientValues>
  </EnergyCalibration>
  <RadMeasurement id="M1">
    <MeasurementClassCode>Foreground</MeasurementClassCode>
    <StartDateTime>2026-11-20T10:11:12Z</StartDateTime>
    <RealTimeDuration>PT1M0.5S</RealTimeDuration>
    <Spectrum id="S1" radDetectorInformationReference="Gamma" energyCalibrationReference="Energy">
      <LiveTimeDuration>PT59.1S</LiveTimeDuration>
      <ChannelData compressionCode="CountedZeroes">0 3 5 6 7 0 1 9</ChannelData>
    </Spectrum>
    <OperatorInformation id="O1"><OperatorName>A. Person</OperatorName></OperatorInformation>
  </RadMeasurement>
  <AnalysisResults radMeasurementReferences="M1">
    <AnalysisResultDescription>as a test has it</AnalysisResultDescription>
{alarms}    <NuclideAnalysisResults>
{nuclides}    </NuclideAnalysisResults>
  </AnalysisResults>
</RadInstrumentData>
"""


def nuclide(name: str, confidence: float = 95, category: str = "Industrial", identified: str = "true") -> str:
    return NUCLIDE.format(name=name, confidence=confidence, category=category, identified=identified)


def alarm(category: str = "Gamma", active: str = "true") -> str:
    return (
        f"    <RadAlarm>\n      <RadAlarmDescription>over the limit</RadAlarmDescription>\n"
        f"      <RadAlarmActiveIndicator>{active}</RadAlarmActiveIndicator>\n"
        f"      <RadAlarmCategoryCode>{category}</RadAlarmCategoryCode>\n    </RadAlarm>\n"
    )


def n42(*nuclides: str, alarms: str = "") -> bytes:
    """Return a whole file with these nuclides and alarms in it."""
    return FILE.format(nuclides="".join(nuclides), alarms=alarms).encode()
