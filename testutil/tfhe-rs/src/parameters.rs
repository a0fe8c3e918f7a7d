//! Parameter sets by the names that TKMS gives them. Those of production are the
//! library's own constants; `test` is spelled out, as in enclave/tfhe.

use crate::Result;
use tfhe::shortint::parameters::list_compression::ClassicCompressionParameters;
use tfhe::shortint::parameters::meta::DedicatedCompactPublicKeyParameters;
use tfhe::shortint::parameters::*;

const PRODUCTION: MetaParameters =
    v1_7::meta::cpu::V1_7_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128;

/// The parameters of a set: absent are the parts that it has not.
pub fn by_name(name: &str) -> Result<MetaParameters> {
    match name {
        "production" => Ok(PRODUCTION),
        "production-compute" => Ok(MetaParameters {
            compression_parameters: None,
            noise_squashing_parameters: None,
            ..PRODUCTION
        }),
        // Its only object is the compact public key, the same as that of production.
        "production-pke" => Ok(PRODUCTION),
        "test" => Ok(test()),
        other => Err(format!("no parameter set {other:?}").into()),
    }
}

/// The parameters under which a set's users encrypt.
pub fn public_key(set: &MetaParameters) -> Result<CompactPublicKeyEncryptionParameters> {
    Ok(set
        .dedicated_compact_public_key_parameters
        .ok_or("the set has no parameters for its public key")?
        .pke_params)
}

/// Small, quick and insecure.
fn test() -> MetaParameters {
    let message_modulus = MessageModulus(4);
    let carry_modulus = CarryModulus(4);
    MetaParameters {
        backend: Backend::Cpu,
        compute_parameters: AtomicPatternParameters::Standard(PBSParameters::PBS(
            ClassicPBSParameters {
                lwe_dimension: LweDimension(32),
                glwe_dimension: GlweDimension(1),
                polynomial_size: PolynomialSize(256),
                lwe_noise_distribution: DynamicDistribution::new_t_uniform(45),
                glwe_noise_distribution: DynamicDistribution::new_t_uniform(17),
                pbs_base_log: DecompositionBaseLog(23),
                pbs_level: DecompositionLevelCount(1),
                ks_base_log: DecompositionBaseLog(4),
                ks_level: DecompositionLevelCount(4),
                message_modulus,
                carry_modulus,
                max_noise_level: MaxNoiseLevel::new(5),
                log2_p_fail: -65.0,
                ciphertext_modulus: CiphertextModulus::new_native(),
                encryption_key_choice: EncryptionKeyChoice::Big,
                modulus_switch_noise_reduction_params:
                    ModulusSwitchType::CenteredMeanNoiseReduction,
            },
        )),
        dedicated_compact_public_key_parameters: Some(DedicatedCompactPublicKeyParameters {
            pke_params: CompactPublicKeyEncryptionParameters {
                encryption_lwe_dimension: LweDimension(256),
                encryption_noise_distribution: DynamicDistribution::new_t_uniform(17),
                message_modulus,
                carry_modulus,
                ciphertext_modulus: CiphertextModulus::new_native(),
                expansion_kind: CompactCiphertextListExpansionKind::RequiresCasting,
                zk_scheme: SupportedCompactPkeZkScheme::V2,
            },
            ksk_params: ShortintKeySwitchingParameters {
                ks_level: DecompositionLevelCount(4),
                ks_base_log: DecompositionBaseLog(4),
                destination_key: EncryptionKeyChoice::Small,
            },
            re_randomization_parameters: None,
        }),
        compression_parameters: Some(CompressionParameters::Classic(
            ClassicCompressionParameters {
                br_level: DecompositionLevelCount(1),
                br_base_log: DecompositionBaseLog(23),
                packing_ks_level: DecompositionLevelCount(2),
                packing_ks_base_log: DecompositionBaseLog(8),
                packing_ks_polynomial_size: PolynomialSize(128),
                packing_ks_glwe_dimension: GlweDimension(2),
                lwe_per_glwe: LweCiphertextCount(64),
                storage_log_modulus: CiphertextModulusLog(12),
                packing_ks_key_noise_distribution: DynamicDistribution::new_t_uniform(43),
            },
        )),
        noise_squashing_parameters: Some(MetaNoiseSquashingParameters {
            parameters: NoiseSquashingParameters::Classic(NoiseSquashingClassicParameters {
                glwe_dimension: GlweDimension(2),
                polynomial_size: PolynomialSize(256),
                glwe_noise_distribution: DynamicDistribution::new_t_uniform(30),
                decomp_base_log: DecompositionBaseLog(24),
                decomp_level_count: DecompositionLevelCount(3),
                modulus_switch_noise_reduction_params:
                    ModulusSwitchType::CenteredMeanNoiseReduction,
                message_modulus,
                carry_modulus,
                ciphertext_modulus: CoreCiphertextModulus::<u128>::new_native(),
            }),
            compression_parameters: Some(NoiseSquashingCompressionParameters {
                packing_ks_level: DecompositionLevelCount(2),
                packing_ks_base_log: DecompositionBaseLog(41),
                packing_ks_polynomial_size: PolynomialSize(256),
                packing_ks_glwe_dimension: GlweDimension(2),
                lwe_per_glwe: LweCiphertextCount(32),
                packing_ks_key_noise_distribution: DynamicDistribution::new_t_uniform(3),
                ciphertext_modulus: CoreCiphertextModulus::<u128>::new_native(),
                message_modulus,
                carry_modulus,
            }),
        }),
        rerand_configuration: Some(
            ReRandomizationConfiguration::DerivedCompactPublicKeyWithoutKeySwitch,
        ),
    }
    .validate()
}
